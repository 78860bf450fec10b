// Both scores together: how many records lie where, the cuts as lines that can be dragged, and a rectangle that says which records the lists show.
import { api, chart, debounce, el, fill, fmt, icon, loadPlotly, on, problem, themeColors } from "../studio.js";
import { ALL, groupsOf, joint as cellsOf, keptCells, STAGES, TYPES } from "./cube.js";
import { canDrag, cutOf, endDrag, isDragged, lineAt, lineKey, lineNow, moveDrag, startDrag } from "./cutting.js";
import { desk, heard } from "./desk.js";
import { later, never } from "./later.js";
import { onQuery, query, setQuery } from "./query.js";
import { same } from "./spec.js";

const SIDE = 64; // cells along each axis
const MARGIN = { l: 34, r: 10, t: 6, b: 30 };
const ASK_MS = 180;
const CLICK_PX = 4;
const [Q, A] = STAGES;
const DIRECTIONS = ["n", "s", "e", "w", "ne", "nw", "se", "sw"];

/** Add the view to a node. → {stop()} */
export function joint(parent) {
  let type = ALL, counts = null, drawn = false, asked = 0, rect = null, press = null, lines = [], showBefore = null;
  const seg = el("div", { class: "seg joint-types", role: "group", "aria-label": "Type shown" });
  const said = el("span", { class: "joint-flag num" });
  const clear = el("button", { type: "button", class: "icon-btn joint-clear", title: "Clear the brush (Esc)", "aria-label": "Clear the brush", hidden: true, on: { click: () => brush(null) } }, icon("close"));
  const plot = el("div", { class: "joint-plot" });
  const wrong = el("div", { class: "joint-wrong", hidden: true });
  const box = el("div", { class: "joint-brush", tabIndex: 0, role: "group", hidden: true }, DIRECTIONS.map((side) => el("i", { class: `grip ${side}`, data: { side } })), said);
  const tip = el("div", { class: "cut-tip num", hidden: true });
  const follower = el("canvas", { class: "joint-live", width: SIDE, height: SIDE, "aria-hidden": "true" });
  const surface = el("div", { class: "joint-surface", tabIndex: 0, role: "img" }, follower, box, tip);
  const node = el("section", { class: "joint", "aria-label": "Question and answer score together" },
    el("div", { class: "joint-head" }, el("h2", { text: "Both scores" }), clear, seg), el("div", { class: "joint-area" }, plot, surface, wrong));
  parent.append(node);

  const axis = (stage) => desk.axes[stage];
  const both = () => Boolean(axis(Q) && axis(A));
  const typesHere = () => TYPES.filter((name, t) => desk.cube.imported[t] > 0);
  const groups = () => (!desk.spec.per_type ? [ALL] : type === ALL ? typesHere() : [type]);
  const part = (stage, value) => Math.max(0, Math.min(1, (value - axis(stage).low) / (axis(stage).high - axis(stage).low)));
  const valueAt = (stage, share) => axis(stage).low + Math.max(0, Math.min(1, share)) * (axis(stage).high - axis(stage).low);
  const told = (stage, value) => fmt.number(value, desk.digits[stage]);

  // --- what is counted: the lists' filter without the rectangle itself and without what the cuts say
  const asks = () => {
    const { show, ranges = {}, types, like, ...rest } = query.now;
    const others = Object.fromEntries(Object.entries(ranges).filter(([name]) => !STAGES.includes(name)));
    const wanted = type !== ALL ? [type] : types;
    return { ...(["hand", "unscored"].includes(show) ? { show } : {}), ...(wanted ? { types: wanted } : {}), ...(Object.keys(others).length ? { ranges: others } : {}), ...rest };
  };
  const kinds = (asked_) => (asked_.types ? asked_.types.map((name) => TYPES.indexOf(name)) : [0, 1, 2]);
  async function read() {
    if (!desk.loaded || !both()) { counts = null; return show(); }
    const wish = asks(), mine = ++asked;
    wrong.hidden = true;
    if (Object.keys(wish).every((name) => name === "types")) { counts = cellsOf(desk.cube, kinds(wish), SIDE); return show(); } // the binned counts know it
    try {
      const answer = await api.post("/api/record-lists/joint", { dataset: desk.id, query: wish });
      if (mine !== asked) return;
      counts = Float64Array.from(answer.counts);
    } catch (error) {
      if (mine !== asked) return;
      counts = null;
      fill(wrong, problem(error));
      wrong.hidden = false;
    }
    show();
  }
  const readSoon = debounce(read, ASK_MS);

  // --- drawing: Plotly draws what stands still; while a line moves, a canvas of one pixel a cell follows it
  const kept = () => keptCells(desk.cube, desk.spec, desk.live, kinds(asks()), SIDE);
  /** A layer of shades for each step from dropped (grey) to kept (accent); none where a cell is empty or belongs to another layer. */
  const layers = () => {
    const share = kept(), level = (n) => Math.log10(1 + n);
    return SHADES.map((_, i) => Array.from({ length: SIDE }, (__, a) => Array.from({ length: SIDE }, (___, q) => { const at_ = q * SIDE + a; return counts[at_] && shadeOf(share[at_]) === i ? level(counts[at_]) : null; })));
  };
  const highest = () => Math.log10(1 + counts.reduce((most, n) => Math.max(most, n), 1));
  const figure = (c) => {
    const step = Object.fromEntries(STAGES.map((stage) => [stage, (axis(stage).high - axis(stage).low) / SIDE]));
    const trace = (z, shade) => ({ type: "heatmap", z, x0: axis(Q).low + step[Q] / 2, dx: step[Q], y0: axis(A).low + step[A] / 2, dy: step[A], zmin: 0, zmax: highest(), showscale: false, hoverinfo: "skip", colorscale: [[0, css(shade(c, 0))], [1, css(shade(c, 1))]] });
    const scale = (stage, more) => ({ range: [axis(stage).low, axis(stage).high], fixedrange: true, automargin: false, zeroline: false, showgrid: false, nticks: 6, ticks: "outside", ticklen: 4, tickfont: { size: 10.5 }, ...more });
    return {
      data: layers().map((z, i) => trace(z, SHADES[i])),
      layout: { height: plot.clientHeight, margin: MARGIN, hovermode: false, xaxis: scale(Q, { title: { text: "question score", standoff: 4, font: { size: 11 } } }), yaxis: scale(A, { title: { text: "answer score", standoff: 2, font: { size: 11 } } }) },
    };
  };
  let palette = null; // {counts, cells: colours of each shade} as the canvas takes them
  function follow() {
    if (palette?.counts !== counts) {
      const c = themeColors(), top = highest();
      const colours = (shade) => Uint32Array.from(counts, (n) => { if (!n) return 0; const [r, g, b] = shade(c, Math.log10(1 + n) / top); return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; });
      palette = { counts, cells: SHADES.map(colours) };
    }
    const share = kept(), image = new ImageData(SIDE, SIDE), pixels = new Uint32Array(image.data.buffer);
    for (let q = 0; q < SIDE; q++) for (let a = 0; a < SIDE; a++) { const at_ = q * SIDE + a; pixels[(SIDE - 1 - a) * SIDE + q] = palette.cells[shadeOf(share[at_])][at_]; }
    follower.getContext("2d").putImageData(image, 0, 0);
    node.classList.add("following");
  }
  function show() {
    node.classList.toggle("blank", !counts);
    drawTypes();
    drawLines();
    drawBrush();
    if (!counts) { surface.dataset.words = both() ? "" : `No record has both scores yet`; return; }
    const total = counts.reduce((sum, n) => sum + n, 0);
    surface.setAttribute("aria-label", `${fmt.plural(total, "record")} by question and answer score. Enter begins a brush.`);
    later("joint", async () => {
      if (!counts || !plot.isConnected || !plot.clientWidth) return;
      const spec = desk.spec;
      await chart(plot, figure, { staticPlot: true });
      drawn = true;
      if (spec === desk.spec) node.classList.remove("following");
    });
  }
  const recolour = () => {
    if (!drawn) return;
    if (!desk.exact) { never("joint"); follow(); return; }
    later("joint", async () => {
      if (!counts || !plot.isConnected) return;
      const Plotly = await loadPlotly(), { spec } = desk;
      await Plotly.restyle(plot, { z: layers() }, SHADES.map((_, i) => i));
      if (spec === desk.spec) node.classList.remove("following");
    });
  };

  function drawTypes() {
    const here = typesHere();
    if (type !== ALL && !here.includes(type)) type = ALL;
    seg.hidden = here.length < 2;
    const button = (id, text, title) => el("button", { type: "button", "aria-pressed": String(id === type), title, class: id, on: { click: () => { type = id; read(); } } }, id === ALL ? null : el("span", { class: "dot" }), text);
    const state = `${here} ${type}`;
    if (seg.dataset.state === state) return;
    seg.dataset.state = state;
    fill(seg, button(ALL, "All", "All types"), here.map((id) => button(id, desk.info.types.find((t) => t.id === id).label.split(/[ -]/)[0], desk.info.types.find((t) => t.id === id).label)));
  }

  function drawLines() {
    const wanted = both() ? groups().flatMap((group) => STAGES.map((stage) => `${stage} ${group}`)) : [];
    if (!same(wanted, lines.map((line) => line.id))) {
      lines.forEach((line) => line.node.remove());
      lines = wanted.map((id) => lineNode(...id.split(" ")));
      surface.append(...lines.map((line) => line.node));
    }
    for (const line of lines) line.draw();
  }
  function lineNode(stage, group) {
    const name = group === ALL ? "All types" : desk.info.types.find((t) => t.id === group).label;
    const across = stage === Q;
    const own = el("div", { class: `joint-line ${across ? "at-question" : "at-answer"} ${groups().length > 1 ? group : "single"}`, role: "slider", tabIndex: 0, "aria-label": `${name}: ${stage} cut, in both scores`, "aria-orientation": across ? "horizontal" : "vertical" });
    const place = (event) => { const b = surface.getBoundingClientRect(); return valueAt(stage, across ? (event.clientX - b.left) / b.width : (b.bottom - event.clientY) / b.height); };
    own.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !canDrag(stage, group)) return;
      event.preventDefault();
      event.stopPropagation();
      own.setPointerCapture(event.pointerId);
      own.focus({ preventScroll: true });
      startDrag(stage, group, lineAt(stage, group), event);
    });
    own.addEventListener("pointermove", (event) => { event.stopPropagation(); tip.hidden = true; if (isDragged(stage, group)) moveDrag(place(event), event); });
    const release = (event) => { event.stopPropagation(); if (isDragged(stage, group)) endDrag(event); };
    own.addEventListener("pointerup", release);
    own.addEventListener("pointercancel", release);
    own.addEventListener("keydown", (event) => { if (lineKey(event, stage, group, { upIsMore: true })) event.stopPropagation(); });
    const draw = () => {
      if (!cutOf(stage, group)) return;
      const at = lineAt(stage, group), line = lineNow(stage, group);
      own.hidden = at === null || !line.members || cutOf(stage, group).mode === "pass";
      if (own.hidden) return;
      own.style.setProperty("--at", part(stage, at));
      own.title = `${name}: ${stage} cut ≥ ${told(stage, line.lowest ?? at)}`;
      own.setAttribute("aria-valuemin", axis(stage).low.toFixed(4));
      own.setAttribute("aria-valuemax", axis(stage).high.toFixed(4));
      own.setAttribute("aria-valuenow", at.toFixed(4));
      own.setAttribute("aria-valuetext", `≥ ${told(stage, at)}, ${fmt.ofN(Math.round(line.passed), Math.round(line.members))} pass`);
    };
    return { id: `${stage} ${group}`, node: own, draw };
  }

  // --- the rectangle: {question: [low, high], answer: [low, high]} as parts 0–1 of the axes
  const fromQuery = () => {
    const ranges = query.now.ranges ?? {};
    if (!both() || !STAGES.some((stage) => ranges[stage])) return null;
    return Object.fromEntries(STAGES.map((stage) => { const [low, high] = ranges[stage] ?? [null, null]; return [stage, [low === null ? 0 : part(stage, low), high === null ? 1 : part(stage, high)]]; }));
  };
  function drawBrush() {
    rect = press?.rect ?? fromQuery();
    box.hidden = clear.hidden = !rect;
    if (!rect) return;
    const [q0, q1] = rect[Q], [a0, a1] = rect[A];
    for (const [name, value] of [["left", q0], ["right", 1 - q1], ["bottom", a0], ["top", 1 - a1]]) box.style.setProperty(name, `${100 * value}%`);
    const inside = counts ? insideOf(rect) : 0;
    said.textContent = `≈\u2009${fmt.plural(inside, "record")}`;
    box.classList.toggle("flag-below", a1 > 0.88);
    const range = (stage) => `${told(stage, valueAt(stage, rect[stage][0]))} to ${told(stage, valueAt(stage, rect[stage][1]))}`;
    box.setAttribute("aria-label", `Brush: question ${range(Q)}, answer ${range(A)}, about ${fmt.plural(inside, "record")}. Arrows move it, Shift and arrows change its size, Escape clears it.`);
  }
  /** Records in a rectangle, cells at its edge by the part that lies inside. */
  function insideOf(r) {
    const share = (stage, i) => Math.max(0, Math.min(1, r[stage][1] * SIDE - i) - Math.max(0, r[stage][0] * SIDE - i));
    let sum = 0;
    for (let q = 0; q < SIDE; q++) {
      const across = share(Q, q);
      if (across > 0) for (let a = 0; a < SIDE; a++) { const up = share(A, a); if (up > 0) sum += counts[q * SIDE + a] * across * up; }
    }
    return Math.round(sum);
  }
  /** Ask the lists for a rectangle, or for none. An edge at the end of an axis is open, so that outliers are in. */
  function brush(next, { typing = "" } = {}) {
    const ranges = { ...query.now.ranges };
    for (const stage of STAGES) {
      delete ranges[stage];
      if (!next) continue;
      const round = (share, open) => (share === open ? null : Number(valueAt(stage, share).toFixed(desk.digits[stage] + 1)));
      const ends = [round(next[stage][0], 0), round(next[stage][1], 1)];
      if (ends.some((end) => end !== null)) ranges[stage] = ends;
    }
    if (next && !fromQuery()) showBefore = query.now.show ?? null;
    setQuery({ ranges, ...(next ? (["kept", "dropped"].includes(query.now.show) ? { show: null } : {}) : { show: query.now.show ?? showBefore }) }, { typing });
    drawBrush();
  }

  const at = (event) => { const b = surface.getBoundingClientRect(); return { [Q]: Math.max(0, Math.min(1, (event.clientX - b.left) / b.width)), [A]: Math.max(0, Math.min(1, (b.bottom - event.clientY) / b.height)) }; };
  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !counts) return;
    event.preventDefault();
    surface.setPointerCapture(event.pointerId);
    const inBox = event.target.closest(".joint-brush");
    press = { from: at(event), x: event.clientX, y: event.clientY, side: event.target.dataset?.side ?? (inBox ? "move" : "new"), before: rect, rect: null };
    tip.hidden = true;
    if (inBox) box.focus({ preventScroll: true });
  });
  surface.addEventListener("pointermove", (event) => {
    if (!press) return hover(event);
    if (!press.rect && Math.abs(event.clientX - press.x) + Math.abs(event.clientY - press.y) < CLICK_PX) return;
    press.rect = dragged(press, at(event));
    drawBrush();
  });
  const release = (event) => {
    if (!press) return;
    const { rect: drawn, side } = press;
    press = null;
    if (event.type === "pointercancel") return drawBrush();
    if (!drawn) { if (side === "new" && rect) brush(null); return; }
    brush(drawn);
    box.focus({ preventScroll: true });
  };
  surface.addEventListener("pointerup", release);
  surface.addEventListener("pointercancel", release);
  surface.addEventListener("pointerleave", () => { tip.hidden = true; });

  function hover(event) {
    const here = at(event), q = Math.min(SIDE - 1, Math.floor(here[Q] * SIDE)), a = Math.min(SIDE - 1, Math.floor(here[A] * SIDE));
    const n = counts?.[q * SIDE + a];
    tip.hidden = !n || Boolean(event.target.closest(".joint-line"));
    if (tip.hidden) return;
    tip.textContent = `question ${told(Q, valueAt(Q, (q + 0.5) / SIDE))}, answer ${told(A, valueAt(A, (a + 0.5) / SIDE))}: ${fmt.plural(n, "record")}`;
    tip.style.left = `${Math.max(26, Math.min(74, 100 * here[Q]))}%`;
    tip.style.top = `${100 * (1 - here[A])}%`;
  }

  // --- keys
  surface.addEventListener("keydown", (event) => {
    if (event.target === surface && event.key === "Enter" && counts) {
      event.preventDefault();
      if (!rect) brush({ [Q]: [0.5, 0.75], [A]: [0.5, 0.75] });
      box.focus();
    } else if (event.key === "Escape" && rect) { event.preventDefault(); brush(null); surface.focus({ preventScroll: true }); }
  });
  box.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [Q, -1], ArrowRight: [Q, 1], ArrowDown: [A, -1], ArrowUp: [A, 1] };
    if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const [stage, way] = moves[event.key], [low, high] = rect[stage], step = way / SIDE;
    const next = event.shiftKey ? [low, Math.max(low + 1 / SIDE, Math.min(1, high + step))] : [low, high].map((end) => end + Math.max(-low, Math.min(1 - high, step)));
    brush({ ...rect, [stage]: next }, { typing: "brush" });
  });

  const load = () => { if (desk.loaded) { drawLines(); read(); } };
  load();
  const live = () => { if (!counts) return; drawLines(); recolour(); };
  const stops = [heard("load", load), heard("frame", live), onQuery(() => { drawBrush(); readSoon(); }), on("theme", () => { palette = null; })];
  const watcher = new ResizeObserver(() => show());
  watcher.observe(plot);
  return { stop: () => { stops.forEach((f) => f()); watcher.disconnect(); never("joint"); } };
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const css = (colour) => `rgb(${colour.join(",")})`;
/** From the card's colour to another: share 0–1 of the way, after a first step that tells a cell from an empty one. */
const mixed = (from, to, first) => (share) => [0, 1, 2].map((i) => Math.round(from[i] + (to[i] - from[i]) * (first + (1 - first) * share)));
const STEPS = 4; // cells of all types are kept in part where the types have cuts of their own
const SHADES = Array.from({ length: STEPS + 1 }, (_, i) => (c, level) => {
  const share = i / STEPS, colour = mixed(rgb(c.ink3), rgb(c.accent), 0)(share);
  return mixed(rgb(c.card), colour, 0.14 + 0.1 * share)(level);
});
const shadeOf = (share) => Math.round(share * STEPS);

/** The rectangle that a press makes when the pointer is `now`: a new one, the old one moved, or an edge of it. Pure. */
function dragged({ from, side, before }, now) {
  const span = (a, b) => [Math.min(a, b), Math.max(a, b)];
  if (side === "new") return { [Q]: span(from[Q], now[Q]), [A]: span(from[A], now[A]) };
  if (side === "move") return Object.fromEntries(STAGES.map((stage) => { const [low, high] = before[stage], by = Math.max(-low, Math.min(1 - high, now[stage] - from[stage])); return [stage, [low + by, high + by]]; }));
  const moved = { [Q]: [...before[Q]], [A]: [...before[A]] };
  if (side.includes("w")) moved[Q][0] = now[Q];
  if (side.includes("e")) moved[Q][1] = now[Q];
  if (side.includes("s")) moved[A][0] = now[A];
  if (side.includes("n")) moved[A][1] = now[A];
  return { [Q]: span(...moved[Q]), [A]: span(...moved[A]) };
}
