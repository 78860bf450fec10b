// One histogram with its cut: bars that pass in the accent colour, a line that is dragged on the plot, a number field beside it.
import { chart, el, fill, fmt, icon, loadPlotly } from "../studio.js";
import { atLeast } from "./cascade.js";
import { BINS, desk, heard, setProblem, setSpec } from "./desk.js";
import { amountText, everywhere, exactShare, inMode, readAmount, same, withCut } from "./spec.js";

const LEFT = 10, RIGHT = 10, TOP = 8, BOTTOM = 22; // margins of the plot in pixels; the line's place is computed from them
const MODES = [["share", "%", "Share of the records"], ["value", "score", "At or above a score"], ["count", "count", "Number of records"]];
const WORDS = { question: "question", answer: "answer" };

/** A panel for one stage and group. → {node, draw(), stop()} */
export function panel(stage, group, label) {
  const field = el("input", { class: "input cut-field num", type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: false, "aria-label": `${label}: cut by ${WORDS[stage]} score` });
  const modes = el("div", { class: "seg cut-modes", role: "group", "aria-label": `${label}: kind of ${WORDS[stage]} cut` },
    MODES.map(([mode, text, title]) => el("button", { type: "button", title, "aria-label": title, data: { mode }, text, on: { click: () => change(inMode(cut(), mode, line(), desk.digits[stage]), { now: true }) } })));
  const copy = group === "all" ? null : el("button", { type: "button", class: "icon-btn cut-copy", title: `Use this ${WORDS[stage]} cut for all types`, "aria-label": `${label}: use this ${WORDS[stage]} cut for all types`, on: { click: () => setSpec(everywhere(desk.spec, stage, cut()), { now: true }) } }, icon("copy"));
  const told = el("span", { class: "cut-told num" });
  const problem = el("p", { class: "cut-problem", role: "alert", hidden: true });
  const plot = el("div", { class: "cut-bars" });
  const keep = el("div", { class: "cut-keep" });
  const flag = el("span", { class: "cut-flag num" });
  const handle = el("div", { class: "cut-line", role: "slider", tabIndex: 0, "aria-label": `${label}: ${WORDS[stage]} cut`, "aria-orientation": "horizontal" }, flag);
  const tip = el("div", { class: "cut-tip num", hidden: true });
  const surface = el("div", { class: "cut-surface" }, keep, plot, handle, tip);
  const node = el("div", { class: "cut-panel", data: { stage, group } }, el("div", { class: "cut-head" }, el("div", { class: "cut-entry" }, field, modes, copy), told), problem, surface);

  const cut = () => desk.spec[stage][group];
  const line = () => desk.live.result.lines[stage][group];
  const axis = () => desk.axes[stage];
  const dragged = () => desk.drag?.stage === stage && desk.drag?.group === group;
  const change = (next, options) => setSpec(withCut(desk.spec, stage, group, next), options);

  // --- drawing
  let drawn = "", busy = false, again = false, bars = null;
  const figure = (c) => {
    bars = desk.live.bars[stage][group];
    const width = (axis().high - axis().low) / BINS;
    const x = Array.from({ length: BINS }, (_, i) => axis().low + (i + 0.5) * width);
    const trace = (y, color) => ({ type: "bar", x, y, width: width * 0.86, marker: { color, line: { width: 0 } }, hoverinfo: "skip" });
    return {
      data: [trace(bars.dropped, c.lineStrong), trace(bars.kept, c.accent)],
      layout: { barmode: "stack", height: surface.clientHeight || 112, margin: { l: LEFT, r: RIGHT, t: TOP, b: BOTTOM }, hovermode: false,
        xaxis: { range: [axis().low, axis().high], fixedrange: true, automargin: false, showgrid: false, zeroline: false, nticks: 8, ticks: "outside", ticklen: 3, tickfont: { size: 10.5 } },
        yaxis: { visible: false, fixedrange: true, automargin: false, rangemode: "tozero" } },
    };
  };
  async function bar() {
    if (!axis() || !plot.isConnected || !surface.clientWidth) return;
    if (busy) { again = true; return; }
    busy = true;
    try {
      const scale = `${axis().low} ${axis().high}`;
      if (drawn !== scale) { drawn = scale; await chart(plot, figure, { staticPlot: true }); } else {
        const now = desk.live.bars[stage][group];
        if (same(now, bars)) return; // a cut of another type was moved
        bars = now;
        const Plotly = await loadPlotly();
        await Plotly.restyle(plot, { y: [bars.dropped, bars.kept] }, [0, 1]);
      }
    } finally {
      busy = false;
      if (again) { again = false; bar(); }
    }
  }

  /** Where the line stands: under the pointer while dragged, at the value, else between the last that passes and the first that doesn't. */
  function place() {
    if (dragged()) return desk.drag.at;
    const { lowest, next } = line();
    if (cut().mode === "value") return cut().amount;
    if (lowest === null) return axis().high;
    return next === null ? axis().low : (lowest + next) / 2;
  }
  const part = (value) => Math.max(0, Math.min(1, (value - axis().low) / (axis().high - axis().low)));

  function draw() {
    if (!cut()) return; // the grouping has just changed: this panel is about to go
    const { members, passed, lowest } = line();
    node.classList.toggle("moving", dragged());
    node.classList.toggle("blank", !axis() || !members);
    for (const button of modes.children) button.setAttribute("aria-pressed", String(button.dataset.mode === cut().mode));
    if (document.activeElement !== field || field.dataset.typed !== "yes") field.value = amountText(cut(), desk.digits[stage]);
    fill(told, el("b", { text: fmt.int(passed) }), ` of ${fmt.int(members)} pass`, members ? el("span", { class: "quiet", text: ` · ${fmt.share(passed, members)}` }) : null);
    told.title = `${fmt.ofN(passed, members)} records with a score pass the ${WORDS[stage]} cut`;
    drawProblem();
    if (!axis()) return fill(flag, "no scores");
    const at = part(place());
    surface.style.setProperty("--at", at);
    node.classList.toggle("flag-left", at > 0.8);
    const shown = lowest === null ? null : cut().mode === "value" && !dragged() ? cut().amount : lowest;
    flag.textContent = shown === null ? "keeps none" : `≥ ${fmt.number(shown, desk.digits[stage])}`;
    handle.setAttribute("aria-valuemin", axis().low.toFixed(4));
    handle.setAttribute("aria-valuemax", axis().high.toFixed(4));
    handle.setAttribute("aria-valuenow", place().toFixed(4));
    handle.setAttribute("aria-valuetext", `${fmt.ofN(passed, members)} pass, ${flag.textContent}`);
    bar();
  }

  function drawProblem() {
    const mine = desk.problem?.place === `${stage}.${group}` ? desk.problem : null;
    field.setAttribute("aria-invalid", String(Boolean(mine)));
    problem.hidden = !mine;
    problem.textContent = mine ? `${mine.message}. ${mine.hint}` : "";
  }

  // --- pointer
  const valueAt = (event) => {
    const box = surface.getBoundingClientRect();
    return axis().low + Math.max(0, Math.min(1, (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT))) * (axis().high - axis().low);
  };
  function cutAt(value) {
    const mode = cut().mode;
    if (mode === "value") return { mode, amount: Number(value.toFixed(desk.digits[stage] + 1)) };
    const all = value <= axis().low, none = value >= axis().high;
    const { members } = line();
    const above = all ? members : none ? 0 : atLeast(desk.columns, desk.live.result, stage, group, value);
    return mode === "count" ? { mode, amount: above } : { mode, amount: members > 2000 ? Number((above / members).toFixed(3)) : exactShare(above, members) };
  }
  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !axis() || !line().members) return;
    event.preventDefault();
    surface.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    desk.drag = { stage, group, at: valueAt(event), from: desk.spec };
    tip.hidden = true;
    change(cutAt(desk.drag.at));
  });
  surface.addEventListener("pointermove", (event) => {
    if (!dragged()) return hover(event);
    desk.drag.at = valueAt(event);
    change(cutAt(desk.drag.at));
  });
  const drop = (event) => {
    if (!dragged()) return;
    const { from } = desk.drag;
    desk.drag = null;
    if (event.type === "pointercancel") setSpec(from, { now: true });
    else setSpec(desk.spec, { now: true });
  };
  surface.addEventListener("pointerup", drop);
  surface.addEventListener("pointercancel", drop);
  surface.addEventListener("pointerleave", () => { tip.hidden = true; });

  function hover(event) {
    if (!axis() || !bars) return;
    const box = surface.getBoundingClientRect();
    const bin = Math.floor(((event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)) * BINS);
    const count = (bars.kept[bin] ?? 0) + (bars.dropped[bin] ?? 0);
    tip.hidden = !count || event.target.closest?.(".cut-line");
    if (tip.hidden) return;
    const width = (axis().high - axis().low) / BINS, low = axis().low + bin * width;
    const ends = bin === 0 ? `below ${fmt.number(low + width, desk.digits[stage])}` : bin === BINS - 1 ? `above ${fmt.number(low, desk.digits[stage])}` : `${fmt.number(low, desk.digits[stage])} to ${fmt.number(low + width, desk.digits[stage])}`;
    tip.textContent = `${ends}: ${fmt.plural(count, "record")}${bars.kept[bin] && bars.dropped[bin] ? `, ${fmt.int(bars.kept[bin])} pass` : ""}`;
    tip.style.left = `${Math.max(70, Math.min(box.width - 70, event.clientX - box.left))}px`;
  }

  // --- keys: right is a higher cut, so fewer pass
  function nudge(steps) {
    const now = cut(), spread = axis() ? axis().high - axis().low : 1;
    if (now.mode === "share") return change({ mode: "share", amount: Math.max(0, Math.min(1, Number((now.amount - steps * 0.01).toFixed(6)))) });
    if (now.mode === "count") return change({ mode: "count", amount: Math.max(0, Math.min(line().members, now.amount - steps)) });
    change({ mode: "value", amount: Number((now.amount + (steps * spread) / 200).toFixed(desk.digits[stage] + 1)) });
  }
  handle.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !axis()) return;
    const far = event.shiftKey ? 5 : 1;
    const moves = { ArrowRight: far, ArrowUp: -far, ArrowLeft: -far, ArrowDown: far, PageUp: -10, PageDown: 10 };
    if (event.key in moves) nudge(moves[event.key]);
    else if (event.key === "Home") change(cutAt(axis().low));
    else if (event.key === "End") change(cutAt(axis().high));
    else return;
    event.preventDefault();
  });
  field.addEventListener("keydown", (event) => {
    const up = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (up) { event.preventDefault(); field.dataset.typed = ""; nudge((cut().mode === "value" ? -up : up) * (event.shiftKey ? 5 : 1)); }
    else if (event.key === "Enter") { event.preventDefault(); take(); field.select(); }
    else if (event.key === "Escape") { field.dataset.typed = ""; setProblem(null); draw(); field.blur(); }
  });
  field.addEventListener("input", () => { field.dataset.typed = "yes"; });
  field.addEventListener("change", take);
  field.addEventListener("blur", () => { if (!desk.problem) field.dataset.typed = ""; });
  function take() {
    if (field.dataset.typed !== "yes") return;
    const { cut: next, problem: wrong, hint } = readAmount(field.value, cut().mode);
    if (wrong) return setProblem({ place: `${stage}.${group}`, message: wrong, hint: `${hint} The cut stays at ${amountText(cut(), desk.digits[stage])}${cut().mode === "share" ? "\u00a0%" : ""}.` });
    field.dataset.typed = "";
    if (same(next, cut())) { setProblem(null); draw(); } else change(next, { now: true });
  }

  const stops = [heard("live", draw), heard("problem", drawProblem)];
  const watcher = new ResizeObserver(async () => {
    if (!surface.clientWidth || !cut()) return;
    if (!drawn) return bar();
    const Plotly = await loadPlotly();
    if (plot.isConnected) Plotly.relayout(plot, { width: surface.clientWidth, height: surface.clientHeight });
  });
  watcher.observe(surface);
  return { node, draw, stop: () => { stops.forEach((f) => f()); watcher.disconnect(); } };
}
