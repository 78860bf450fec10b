// Building nodes. Text from records goes in as text only: nothing here parses markup.

/** A node: el("button", {class: "btn", on: {click: f}, disabled: true}, "Stop", otherNode). null and false children are left out. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "text") node.textContent = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else if (name === "on") for (const [event, f] of Object.entries(value)) node.addEventListener(event, f);
    else if (name in node && !name.startsWith("aria") && name !== "list" && name !== "form") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  add(node, children);
  return node;
}

export function add(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** Replace all children of a node. */
export function fill(node, ...children) {
  node.replaceChildren();
  return add(node, children);
}

const PATHS = {
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  down: "M6 9l6 6 6-6",
  check: "M5 12.500l4.500 4.500L19 7.500",
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14M16.200 16.200 20.500 20.500",
  trash: "M4.500 7h15M9.500 7V4.500h5V7M6.500 7l1 13h9l1-13M10.500 11v5.500M13.500 11v5.500",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8M12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400",
  moon: "M19.500 14.500A8 8 0 0 1 9.500 4.500a8 8 0 1 0 10 10Z",
  keyboard: "M3.500 6.500h17v11h-17zM7 10h.01M10.300 10h.01M13.700 10h.01M17 10h.01M7.500 14h9",
  jobs: "M4 6h10M4 12h16M4 18h7",
  image: "M4 5h16v14H4zM4 16l4.500-4.500 4 4L15 13l5 4.500M15.500 9.500h.01",
  broken: "M4 5h16v7l-3.500 3-3-3-3.500 3.500-3-2.500-3 2.500zM4 19h16v-2",
  text: "M5 6.500h14M5 11h14M5 15.500h9",
  upload: "M12 16V5M7.500 9 12 4.500 16.500 9M5 16v3.500h14V16",
  folder: "M3.500 6.500h6l2 2.500h9v10h-17z",
  warn: "M12 4 2.800 20h18.400zM12 10v4.500M12 17.300h.01",
  info: "M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17M12 11v5.500M12 7.800h.01",
  stop: "M7 7h10v10H7z",
  copy: "M8 8h11v12H8zM5 16V4h11",
};

/** A line icon by name, in the colour of the text around it; hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name] ?? "");
  svg.append(path);
  return svg;
}

/** Call f at most once per pause of `ms` after the last call. */
export function debounce(f, ms = 200) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => f(...args), ms);
  };
}
