// A small Sankey of records between two sides: in and out under A on the left, under B on the right.
import { fmt } from "../../studio.js";

const W = 300, H = 168, BAR = 10, GAP = 14, TOP = 16;
const SVG = "http://www.w3.org/2000/svg";

/** An svg of one group {records, stay_in, go_out, come_in, stay_out}; heights are shares of its records, and what is there is at least a hair. */
export function flow(group) {
  const total = Math.max(1, group.records);
  const tall = (n) => (n ? Math.max(1.5, ((H - TOP - GAP) * n) / total) : 0);
  const stay = tall(group.stay_in), leave = tall(group.go_out), enter = tall(group.come_in), out = tall(group.stay_out);
  const leftOut = TOP + stay + leave + GAP, rightOut = TOP + stay + enter + GAP;
  const svg = node("svg", { viewBox: `0 0 ${W} ${Math.max(leftOut + enter + out, rightOut + leave + out) + 4}`, class: "tr-flow", role: "img",
    "aria-label": `Of ${fmt.int(group.records)} records ${fmt.int(group.stay_in)} stay in, ${fmt.int(group.go_out)} go out, ${fmt.int(group.come_in)} come in, ${fmt.int(group.stay_out)} stay out` });
  const band = (y0, y1, height, name, n) => {
    if (!height) return;
    const x0 = BAR, x1 = W - BAR, middle = W / 2;
    const path = node("path", { class: `band ${name}`, d: `M${x0} ${y0} C${middle} ${y0} ${middle} ${y1} ${x1} ${y1} V${y1 + height} C${middle} ${y1 + height} ${middle} ${y0 + height} ${x0} ${y0 + height} Z` });
    path.append(node("title", {}, `${fmt.ofN(n, group.records)} records`));
    svg.append(path);
  };
  band(TOP, TOP, stay, "stay", group.stay_in);
  band(leftOut + enter, rightOut + leave, out, "stay", group.stay_out);
  band(TOP + stay, rightOut, leave, "leave", group.go_out);
  band(leftOut, TOP + stay, enter, "enter", group.come_in);
  for (const [x, y, height, name] of [[0, TOP, stay + leave, "in"], [0, leftOut, enter + out, "out"], [W - BAR, TOP, stay + enter, "in"], [W - BAR, rightOut, leave + out, "out"]]) svg.append(node("rect", { class: `end ${name}`, x, y, width: BAR, height, rx: 2 }));
  const label = (x, y, anchor, text) => svg.append(node("text", { x, y, "text-anchor": anchor }, text));
  label(0, 10, "start", `A keeps ${fmt.int(group.stay_in + group.go_out)}`);
  label(W, 10, "end", `B keeps ${fmt.int(group.stay_in + group.come_in)}`);
  return svg;
}

function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}
