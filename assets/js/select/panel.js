// One histogram with its cut: bars that pass in the accent colour, a line that is dragged on the plot, a number field beside it.
import { chart, el, fill, fmt, icon, loadPlotly } from "../studio.js";
import { ALL } from "./cube.js";
import { canDrag, change, cutAt, cutOf, endDrag, isDragged, lineAt, lineKey, lineNow, moveDrag, nudge, startDrag } from "./cutting.js";
import { desk, heard, setProblem, setSpec } from "./desk.js";
import { later, never } from "./later.js";
import { setQuery, query } from "./query.js";
import { amountText, everywhere, inMode, readAmount, same } from "./spec.js";

const SIDE = 8, TOP = 4; // margins of the plot in pixels; the line's place is computed from them
const FOOT = 20, BARE_FOOT = 5; // below the bars: with the numbers of the axis, without
const BAR = 0.84; // part of its bin that a bar is wide
const CLICK_PX = 4; // a press that moves less chooses a bar; it does not drag
const MODES = [["share", "%", "The best share of the records"], ["value", "≥", "At or above a score"], ["count", "n", "A number of the best records"], ["random", "dice", "A number drawn by chance"], ["pass", "all", "All pass"]];
const NAMES = { share: "% best", value: "score ≥", count: "best", random: "by chance", pass: "all pass" };

/** A panel for one stage and group. ticks: with the numbers of the axis below. → {node, draw(), stop(), field} */
export function panel(stage, group, label, { ticks = false } = {}) {
  const field = el("input", { class: "input cut-field num", type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: false, "aria-label": `${label}: cut by ${stage} score` });
  const mode = el("select", { class: "cut-mode", "aria-label": `${label}: kind of ${stage} cut`, on: { change: () => setMode(mode.value) } },
    MODES.map(([name, , title]) => el("option", { value: name, text: NAMES[name], title })));
  const copy = group === ALL ? null : el("button", { type: "button", class: "icon-btn cut-copy", title: `Use this ${stage} cut for all types`, "aria-label": `${label}: use this ${stage} cut for all types`, on: { click: () => setSpec(everywhere(desk.spec, stage, cut()), { now: true }) } }, icon("copy"));
  const told = el("span", { class: "cut-told num" });
  const problem = el("p", { class: "cut-problem", role: "alert", hidden: true });
  const plot = el("div", { class: "cut-bars" });
  const follower = liveBars();
  const keep = el("div", { class: "cut-keep" });
  const flag = el("span", { class: "cut-flag num" });
  const handle = el("div", { class: "cut-line", role: "slider", tabIndex: 0, "aria-label": `${label}: ${stage} cut`, "aria-orientation": "horizontal" }, flag);
  const tip = el("div", { class: "cut-tip num", hidden: true });
  const surface = el("div", { class: "cut-surface" }, keep, plot, follower.node, handle, tip);
  const node = el("div", { class: `cut-panel ${ticks ? "with-ticks" : ""}`, data: { stage, group } }, el("div", { class: "cut-head" }, el("div", { class: "cut-entry" }, field, mode), told, copy), problem, surface);
  const key = `bars ${stage} ${group}`;

  const cut = () => cutOf(stage, group);
  const line = () => lineNow(stage, group);
  const axis = () => desk.axes[stage];
  const move = (next, options) => change(stage, group, next, options);

  function setMode(name) {
    const alive = stage === "question" ? line().members + desk.info.unscored.question.without : desk.live.funnel.find((row) => row.group === group).question;
    move(inMode(cut(), name, line(), desk.digits[stage], alive), { now: true });
  }

  // --- drawing: Plotly draws what stands still; while a cut moves, two paths of our own follow it, which cost a twentieth of a redraw
  let drawn = "", bars = null, shownState = "";
  const figure = (c) => {
    const now = desk.live.bars[stage][group];
    const width = (axis().high - axis().low) / now.kept.length;
    const x = now.kept.map((_, i) => axis().low + (i + 0.5) * width);
    const trace = (y, color) => ({ type: "bar", x, y, width: width * BAR, marker: { color, line: { width: 0 } }, hoverinfo: "skip" });
    return {
      data: [trace(now.dropped, c.lineStrong), trace(now.kept, c.accent)],
      layout: { barmode: "stack", height: surface.clientHeight, margin: { l: SIDE, r: SIDE, t: TOP, b: ticks ? FOOT : BARE_FOOT }, hovermode: false,
        xaxis: { range: [axis().low, axis().high], fixedrange: true, automargin: false, showgrid: false, zeroline: false, nticks: 7, ticks: ticks ? "outside" : "", ticklen: 3, showticklabels: ticks, tickfont: { size: 10.5 } },
        yaxis: { visible: false, fixedrange: true, automargin: false, range: [0, tallest(now)] } },
    };
  };
  async function bar() {
    if (!axis() || !plot.isConnected || !surface.clientWidth) return;
    const now = desk.live.bars[stage][group], scale = `${axis().low} ${axis().high} ${now.kept.length}`;
    if (drawn !== scale) { drawn = scale; await chart(plot, figure, { staticPlot: true }); } else {
      const Plotly = await loadPlotly();
      await Plotly.update(plot, { y: [now.dropped, now.kept] }, { "yaxis.range": [0, tallest(now)] }, [0, 1]);
    }
    if (desk.live.bars[stage][group] === now) node.classList.remove("following");
  }
  function drawBars() {
    const now = desk.live.bars[stage][group];
    if (drawn && same(now, bars)) return; // a cut of another type was moved
    bars = now;
    node.classList.toggle("one-value", line().members > 1 && now.kept.filter((n, i) => n + now.dropped[i] > 0).length === 1);
    if (!drawn || !desk.exact) { // the first bars too are our own: they are there with the counts, before Plotly has come
      follower.draw(now);
      node.classList.add("following");
    }
    if (drawn && !desk.exact) never(key);
    else later(key, bar);
  }

  const part = (value) => Math.max(0, Math.min(1, (value - axis().low) / (axis().high - axis().low)));

  function draw() {
    const now = cut();
    if (!now) return; // the page is about to be built anew
    const { members, passed, lowest } = line(), at = axis() ? lineAt(stage, group) : null;
    const state = JSON.stringify([now, members, passed, lowest, at, isDragged(stage, group), axis()]);
    drawProblem();
    if (axis()) drawBars();
    if (state === shownState && field.dataset.typed !== "yes") return;
    shownState = state;
    node.classList.toggle("blank", !axis() || !members);
    node.classList.toggle("moving", isDragged(stage, group));
    node.classList.toggle("by-chance", now.mode === "random");
    mode.value = now.mode;
    field.hidden = now.mode === "pass";
    if (document.activeElement !== field || field.dataset.typed !== "yes") field.value = amountText(now, desk.digits[stage]);
    fill(told, el("b", { text: fmt.int(Math.round(passed)) }), el("span", { class: "told-of", text: ` of ${fmt.int(Math.round(members))}` }), el("span", { class: "told-word", text: " pass" }));
    told.title = `${fmt.ofN(Math.round(passed), Math.round(members))} ${["pass", "random"].includes(now.mode) ? "records" : "with a score"} pass`;
    if (!axis()) return;
    const place = at === null ? 1 : part(at);
    for (const part_ of [handle, keep]) part_.style.setProperty("--at", place); // not on what holds the plot: each of its hundred nodes would be styled anew
    node.classList.toggle("flag-left", place > 0.74);
    const shown = now.mode === "value" && !isDragged(stage, group) ? now.amount : lowest ?? (passed >= 0.5 ? at : null);
    flag.textContent = now.mode === "pass" ? "all pass" : shown === null ? "keeps none" : `≥ ${fmt.number(shown, desk.digits[stage])}`;
    handle.hidden = now.mode === "random";
    handle.setAttribute("aria-valuemin", axis().low.toFixed(4));
    handle.setAttribute("aria-valuemax", axis().high.toFixed(4));
    handle.setAttribute("aria-valuenow", (at ?? axis().high).toFixed(4));
    handle.setAttribute("aria-valuetext", `${told.title}, ${flag.textContent}`);
  }

  function drawProblem() {
    const mine = desk.problem?.place === `${stage}.${group}` ? desk.problem : null;
    field.setAttribute("aria-invalid", String(Boolean(mine)));
    problem.hidden = !mine;
    problem.textContent = mine ? `${mine.message}. ${mine.hint}` : "";
  }

  // --- pointer: a drag moves the line, a click on a bar shows its records
  const across = (event) => { const box = press?.box ?? surface.getBoundingClientRect(); return (event.clientX - box.left - SIDE) / (box.width - 2 * SIDE); };
  const valueAt = (event) => axis().low + Math.max(0, Math.min(1, across(event))) * (axis().high - axis().low);
  let press = null; // where the pointer went down, until it moved far enough to be a drag
  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !axis()) return;
    event.preventDefault();
    surface.setPointerCapture(event.pointerId);
    if (handle.checkVisibility()) handle.focus({ preventScroll: true });
    press = { x: event.clientX, box: surface.getBoundingClientRect(), onLine: Boolean(event.target.closest(".cut-line")) };
  });
  surface.addEventListener("pointermove", (event) => {
    if (isDragged(stage, group)) return moveDrag(valueAt(event), event);
    if (!press) return hover(event);
    if (Math.abs(event.clientX - press.x) < CLICK_PX || !canDrag(stage, group)) return;
    tip.hidden = true;
    startDrag(stage, group, valueAt(event), event);
  });
  const release = (event) => {
    if (isDragged(stage, group)) endDrag(event);
    else if (press && event.type === "pointerup" && !press.onLine) showBar(event);
    press = null;
  };
  surface.addEventListener("pointerup", release);
  surface.addEventListener("pointercancel", release);
  surface.addEventListener("pointerleave", () => { tip.hidden = true; });

  /** Score range of bar i; the outer bars are open, outliers stand in them. */
  const rangeOf = (i) => {
    const many = countOf(), width = (axis().high - axis().low) / many, round = (value) => Number(value.toFixed(desk.digits[stage] + 2));
    return [i === 0 ? null : round(axis().low + i * width), i === many - 1 ? null : round(axis().low + (i + 1) * width)];
  };
  const countOf = () => desk.live.bars[stage][group].kept.length;
  const barAt = (event) => Math.floor(across(event) * countOf());
  function showBar(event) {
    const i = barAt(event);
    if (!((bars?.kept[i] ?? 0) + (bars?.dropped[i] ?? 0))) return;
    const ranges = { ...query.now.ranges, [stage]: rangeOf(i) };
    setQuery({ show: null, types: group === ALL ? query.now.types : [group], ranges });
  }

  function hover(event) {
    if (!axis() || !bars) return;
    const box = surface.getBoundingClientRect();
    const i = barAt(event), kept = Math.round(bars.kept[i] ?? 0), all = Math.round((bars.kept[i] ?? 0) + (bars.dropped[i] ?? 0));
    tip.hidden = !all || Boolean(event.target.closest?.(".cut-line"));
    if (tip.hidden) return;
    const [low, high] = rangeOf(i).map((end) => (end === null ? null : fmt.number(end, desk.digits[stage])));
    const ends = low === null ? `below ${high}` : high === null ? `above ${low}` : `${low} to ${high}`;
    tip.textContent = `${ends}: ${fmt.plural(all, "record")}${kept && kept < all ? `, ${fmt.int(kept)} pass` : ""}`;
    tip.style.left = `${Math.max(80, Math.min(box.width - 80, event.clientX - box.left))}px`;
  }

  // --- keys
  handle.addEventListener("keydown", (event) => lineKey(event, stage, group));
  field.addEventListener("keydown", (event) => {
    const up = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (up && cut().mode !== "random") { event.preventDefault(); field.dataset.typed = ""; nudge(stage, group, (cut().mode === "value" ? -up : up) * (event.shiftKey ? 5 : 1)); }
    else if (event.key === "Enter") { event.preventDefault(); take(); field.select(); }
    else if (event.key === "Escape") { field.dataset.typed = ""; shownState = ""; setProblem(null); draw(); field.blur(); }
  });
  field.addEventListener("input", () => { field.dataset.typed = "yes"; });
  field.addEventListener("change", take);
  field.addEventListener("blur", () => { if (!desk.problem) field.dataset.typed = ""; });
  function take() {
    if (field.dataset.typed !== "yes") return;
    const { cut: next, problem: wrong, hint } = readAmount(field.value, cut().mode);
    if (wrong) return setProblem({ place: `${stage}.${group}`, message: wrong, hint: `${hint} The cut stays at ${amountText(cut(), desk.digits[stage])}${cut().mode === "share" ? "\u00a0%" : ""}.` });
    field.dataset.typed = "";
    if (same(next, cut())) { shownState = ""; setProblem(null); draw(); } else move(next, { now: true });
  }

  const stops = [heard("frame", draw), heard("problem", drawProblem)];
  const watcher = new ResizeObserver(async () => {
    if (!surface.clientWidth || !cut()) return;
    if (!drawn) return later(key, bar);
    if (drawn && desk.drag) return;
    const Plotly = await loadPlotly();
    if (plot.isConnected) Plotly.relayout(plot, { width: surface.clientWidth, height: surface.clientHeight });
  });
  watcher.observe(surface);
  return { node, draw, handle, stop: () => { stops.forEach((f) => f()); watcher.disconnect(); never(key); } };
}

const tallest = ({ kept, dropped }) => 1.04 * kept.reduce((most, n, i) => Math.max(most, n + dropped[i]), 1e-9);

/** Bars as two paths over the plot, in units of a bar and of the tallest one. → {node, draw(bars)} */
function liveBars() {
  const svg = (tag, attributes) => { const made = document.createElementNS("http://www.w3.org/2000/svg", tag); for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value); return made; };
  const lower = svg("path", { class: "dropped" }), upper = svg("path", { class: "kept" });
  const node = svg("svg", { class: "cut-live", preserveAspectRatio: "none", "aria-hidden": "true" });
  node.append(lower, upper);
  const gap = (1 - BAR) / 2;
  const draw = (bars) => {
    const top = tallest(bars);
    let below = "", above = "";
    node.setAttribute("viewBox", `0 0 ${bars.kept.length} 1`);
    for (let i = 0; i < bars.kept.length; i++) {
      const base = 1 - bars.dropped[i] / top;
      if (bars.dropped[i]) below += `M${i + gap} 1V${base}h${BAR}V1Z`;
      if (bars.kept[i]) above += `M${i + gap} ${base}V${base - bars.kept[i] / top}h${BAR}V${base}Z`;
    }
    lower.setAttribute("d", below);
    upper.setAttribute("d", above);
  };
  return { node, draw };
}
