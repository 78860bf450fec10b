// From imported to kept as flows, a colour a type: what each cut lets through, what hands and caps move.
import { chart, el, fmt } from "../studio.js";
import { ALL, BELOW_ANSWER, BELOW_QUESTION, CLUSTER_CAP, IMAGE_CAP, NO_ANSWER, NO_QUESTION, NOT_CHOSEN, NOT_DRAWN, TYPES } from "./cube.js";
import { desk, heard } from "./desk.js";
import { later, never } from "./later.js";
import { setQuery } from "./query.js";

const THIN = 0.004; // part of the whole that a flow of a few records is drawn with, so that it can be seen and clicked
const THICK = 9, GAP = 10, PAD = 10, EDGE = 3; // pixels: a node's width, between nodes of a column, what Plotly keeps between nodes, above and below all
const MOVES_MS = 620; // Plotly lets its flows glide to their new places for half a second
const QUESTION = 3, LOST_QUESTION = 4, ANSWER = 5, LOST_ANSWER = 6, HAND = 7, CAPPED = 8, KEPT = 9, HAND_OUT = 10;

/** The flows of a funnel: pure. rows: of `desk.live.funnel`, the three types. → [{from, to, type, n, said, filter}] with n > 0; node 0–2 are the types. */
export function flowsOf(rows) {
  const found = [];
  rows.forEach((row, t) => {
    const flow = (from, to, n, said, filter) => { if (n > 0) found.push({ from, to, type: row.group, n, said, filter: { show: null, reasons: null, ranges: null, types: [row.group], ...filter } }); };
    const handLost = row.handKept + row.handDropped - row.handQuestion, handBetween = row.handQuestion - row.handPassed;
    flow(t, QUESTION, row.question, "pass the question cut", {});
    flow(t, LOST_QUESTION, row.imported - row.question - handLost, "dropped at the question cut", { reasons: [BELOW_QUESTION, NO_QUESTION, NOT_DRAWN] });
    flow(t, HAND, handLost, "decided by hand, below the question cut", { show: "hand" });
    flow(QUESTION, ANSWER, row.answer, "pass both cuts", {});
    flow(QUESTION, LOST_ANSWER, row.question - row.answer - handBetween, "dropped at the answer cut", { reasons: [BELOW_ANSWER, NO_ANSWER, NOT_DRAWN] });
    flow(QUESTION, HAND, handBetween, "decided by hand, below the answer cut", { show: "hand" });
    flow(ANSWER, KEPT, row.kept - row.handKept, "kept by the cuts", { show: "kept", reasons: [0] });
    flow(ANSWER, CAPPED, row.capped, "left out by caps or for variety", { reasons: [IMAGE_CAP, CLUSTER_CAP, NOT_CHOSEN] });
    flow(ANSWER, HAND, row.handPassed, "pass both cuts, decided by hand", { show: "hand" });
    flow(HAND, KEPT, row.handKept, "kept by hand", { show: "hand", reasons: [6] });
    flow(HAND, HAND_OUT, row.handDropped, "dropped by hand", { show: "hand", reasons: [7] });
  });
  return found;
}

const STEPS = [["imported", "Imported"], ["question", "Questions"], ["answer", "Answers"], ["kept", "Kept"]];
const NODES = { [LOST_QUESTION]: "dropped", [LOST_ANSWER]: "dropped", [HAND]: "by hand", [CAPPED]: "caps", [HAND_OUT]: "dropped by hand" }; // the others stand in the heads above
const LOST = [LOST_QUESTION, LOST_ANSWER, CAPPED, HAND_OUT];
const COLUMN = { [QUESTION]: 1 / 3, [LOST_QUESTION]: 1 / 3, [ANSWER]: 2 / 3, [LOST_ANSWER]: 2 / 3, [HAND]: 0.82, [CAPPED]: 1, [KEPT]: 1, [HAND_OUT]: 1 };
const ORDER = [QUESTION, LOST_QUESTION, ANSWER, LOST_ANSWER, KEPT, HAND_OUT, CAPPED]; // in its column what goes on stands above what is lost
const kindOf = (id) => (id < QUESTION ? TYPES[id] : LOST.slice(0, 3).includes(id) ? "lost" : [HAND, HAND_OUT].includes(id) ? "hand" : "on");

/**
 * Where everything stands, in pixels of a width × height plot: pure, and as Plotly places it when told the nodes' middles.
 * → {nodes: [{id, n, x, y, height}], links: [flow with value, width, x0, y0, x1, y1 at the middle of its ends]}
 */
export function placed(flows, whole, width, height) {
  const links = flows.map((flow) => ({ ...flow, value: Math.max(flow.n, whole * THIN) }));
  const ids = [...new Set(links.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
  const sum = (list, name) => list.reduce((total, link) => total + link[name], 0);
  const into = (id) => links.filter((link) => link.to === id), outOf = (id) => links.filter((link) => link.from === id);
  const valueOf_ = (id) => Math.max(sum(into(id), "value"), sum(outOf(id), "value"));
  const depth = new Map(ids.map((id) => [id, 0]));
  for (let round = 0; round < ids.length; round++) for (const { from, to } of links) depth.set(to, Math.max(depth.get(to), depth.get(from) + 1));
  const layers = [...new Set(depth.values())].map((level) => ids.filter((id) => depth.get(id) === level));
  const pad = Math.min(PAD, (2 / 3) * height / (Math.max(2, ...layers.map((layer) => layer.length)) - 1)); // Plotly's scale is that of its fullest layer
  const scale = Math.min(...layers.map((layer) => (height - (layer.length - 1) * pad) / layer.reduce((total, id) => total + valueOf_(id), 0)));
  const nodes = new Map();
  const tops = new Map();
  for (const id of [...ids.filter((one) => one < QUESTION), ...ORDER.filter((one) => ids.includes(one)), ...ids.filter((one) => one === HAND)]) {
    const column = COLUMN[id] ?? 0, tall = valueOf_(id) * scale;
    const y = id === HAND ? height - tall : Math.min(tops.get(column) ?? 0, height - tall);
    nodes.set(id, { id, n: sum(id < QUESTION ? outOf(id) : into(id), "n"), x: column * (width - THICK), y, height: tall });
    tops.set(column, y + tall + GAP);
  }
  const byHeight = (name) => (a, b) => nodes.get(a[name]).y - nodes.get(b[name]).y || links.indexOf(a) - links.indexOf(b);
  for (const { id, x, y } of nodes.values()) {
    let at = y;
    for (const link of outOf(id).sort(byHeight("to"))) { link.width = link.value * scale; Object.assign(link, { x0: x + THICK, y0: at + link.width / 2 }); at += link.width; }
    at = y;
    for (const link of into(id).sort(byHeight("from"))) { Object.assign(link, { x1: x, y1: at + (link.value * scale) / 2 }); at += link.value * scale; }
  }
  return { nodes: [...nodes.values()], links };
}

/** Add the view to a node. → {stop()} */
export function sankey(parent) {
  const heads = STEPS.map(([name, label]) => ({ name, number: el("b", { class: "num" }), label }));
  const plot = el("div", { class: "sankey-plot", role: "img" }), tip = el("div", { class: "cut-tip num", hidden: true }), follower = liveFlow();
  const node = el("section", { class: "sankey", "aria-label": "From imported to kept" },
    el("div", { class: "sankey-head" }, heads.map(({ label, number }) => el("span", {}, `${label} `, number))), el("div", { class: "sankey-area" }, plot, follower.node, tip));
  parent.append(node);
  let flows = [], drawn = false, still = 0, size = [0, 0];
  const shape = () => placed(flowsOf(desk.live.funnel.filter((row) => row.group !== ALL)), Math.max(1, desk.live.funnel.at(-1).imported), size[0], size[1] - 2 * EDGE);
  const typeName = (id) => desk.info.types.find((type) => type.id === id).label;
  const labelOf = ({ id, n }) => (id < QUESTION ? typeName(TYPES[id]).split(/[ -]/)[0] : id in NODES ? `${NODES[id]} ${fmt.int(n)}` : "");

  // --- drawing: Plotly draws what stands still; while a line moves, a few paths of our own follow it in the same places
  const figure = (c) => {
    const { nodes, links } = shape(), [width, height] = [size[0], size[1] - 2 * EDGE];
    flows = links;
    const at = new Map(nodes.map(({ id }, i) => [id, i]));
    const colours = { ...c.types, lost: c.lineStrong, hand: c.warn, on: c.accent };
    return {
      data: [{
        type: "sankey", arrangement: "fixed", orientation: "h", domain: { x: [0, 1], y: [0, 1] }, hoverinfo: "none", textfont: { size: 11, color: c.ink },
        node: { align: "left", pad: PAD, thickness: THICK, line: { width: 0 }, hoverinfo: "none", label: nodes.map(labelOf), color: nodes.map(({ id }) => colours[kindOf(id)]), x: nodes.map(({ x }) => (x + THICK / 2) / width), y: nodes.map(({ y, height: tall }) => (y + tall / 2) / height) },
        link: { source: links.map(({ from }) => at.get(from)), target: links.map(({ to }) => at.get(to)), value: links.map(({ value }) => value), hoverinfo: "none", color: links.map(({ type, to }) => faded(c.types[type], LOST.includes(to) ? 0.18 : 0.5)) },
      }],
      layout: { width: size[0], height: size[1], margin: { l: 0, r: 0, t: EDGE, b: EDGE }, paper_bgcolor: c.card },
    };
  };
  async function show() {
    if (!desk.live || !plot.isConnected || !size[0]) return;
    const { live } = desk;
    await chart(plot, figure, { staticPlot: false, responsive: false });
    plot.setAttribute("aria-label", words());
    clearTimeout(still);
    still = setTimeout(() => { if (desk.live === live) node.classList.remove("following"); }, drawn ? MOVES_MS : 0);
    if (!drawn) listen();
    drawn = true;
  }
  function draw() {
    const whole = desk.live.funnel.at(-1);
    for (const { name, number } of heads) number.textContent = `${name === "kept" && desk.live.approximate ? "≈\u2009" : ""}${fmt.int(whole[name])}`;
    if (drawn) {
      follower.draw(shape(), labelOf);
      node.classList.add("following");
      tip.hidden = true;
      clearTimeout(still);
    }
    if (desk.exact || !drawn) later("sankey", show); else never("sankey");
  }

  // --- pointer
  function listen() {
    const flowOf = (point) => (point && point.source !== undefined ? flows[point.index ?? point.pointNumber] : null);
    plot.on("plotly_click", ({ points }) => { const flow = flowOf(points[0]); tip.hidden = true; if (flow) setQuery(flow.filter); });
    plot.on("plotly_hover", ({ points, event }) => { const flow = flowOf(points[0]); if (flow) hover(flow, event); });
    plot.on("plotly_unhover", () => { tip.hidden = true; });
  }
  function hover(flow, event) {
    const box = plot.getBoundingClientRect(), of = desk.live.funnel.find((row) => row.group === flow.type).imported;
    tip.textContent = `${typeName(flow.type)}: ${fmt.ofN(flow.n, of)} ${flow.said}`;
    tip.style.left = `${Math.max(125, Math.min(box.width - 125, event.clientX - box.left))}px`;
    tip.style.top = `${event.clientY - box.top - 12}px`;
    tip.hidden = false;
  }
  const words = () => desk.live.funnel.map((row) => `${row.group === ALL ? "All types" : typeName(row.group)}: ${fmt.int(row.imported)} imported, ${fmt.int(row.question)} pass the question cut, ${fmt.int(row.answer)} the answer cut, ${fmt.int(row.kept)} kept`).join(". ");

  if (desk.loaded) draw();
  const stops = [heard("load", () => desk.loaded && draw()), heard("frame", draw)];
  const watcher = new ResizeObserver(() => { size = [plot.clientWidth, plot.clientHeight]; if (desk.live) later("sankey", show); });
  watcher.observe(plot);
  return { stop: () => { stops.forEach((f) => f()); clearTimeout(still); watcher.disconnect(); never("sankey"); } };
}

const faded = (hex, share) => (/^#[0-9a-f]{6}$/i.test(hex) ? `rgba(${[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(",")},${share})` : hex);

/** Flows as paths over the plot, in its pixels. → {node, draw({nodes, links}, labelOf)} */
function liveFlow() {
  const svg = (tag, attributes, text = "") => { const made = document.createElementNS("http://www.w3.org/2000/svg", tag); for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value); made.textContent = text; return made; };
  const node = svg("svg", { class: "sankey-live", "aria-hidden": "true" });
  const ribbon = ({ x0, y0, x1, y1, width }) => { const x = (x0 + x1) / 2, half = width / 2; return `M${x0} ${y0 - half}C${x} ${y0 - half} ${x} ${y1 - half} ${x1} ${y1 - half}V${y1 + half}C${x} ${y1 + half} ${x} ${y0 + half} ${x0} ${y0 + half}Z`; };
  const draw = ({ nodes, links }, labelOf) => node.replaceChildren(
    ...links.map((link) => svg("path", { d: ribbon(link), class: `${link.type} ${LOST.includes(link.to) ? "out" : ""}` })),
    ...nodes.map(({ id, x, y, height }) => svg("rect", { x, y, width: THICK, height: Math.max(0.5, height), class: kindOf(id) })),
    ...nodes.filter((one) => labelOf(one)).map((one) => (COLUMN[one.id] === 1 ? svg("text", { x: one.x - 3, y: one.y + one.height / 2, class: "at-end" }, labelOf(one)) : svg("text", { x: one.x + THICK + 3, y: one.y + one.height / 2 }, labelOf(one)))));
  return { node, draw };
}
