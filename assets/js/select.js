// The Select tab: toolbar, cascade canvas, the records at the line, the grid and the record beside it.
import { activeJobs, bind, el, empty, fill, island, on, openRecord, openTab, problem, studio } from "./studio.js";
import { canvas } from "./select/canvas.js";
import { details } from "./select/cards.js";
import { decide, desk, heard, load, step } from "./select/desk.js";
import { grid } from "./select/grid.js";
import { strip } from "./select/strip.js";
import { toolbar } from "./select/toolbar.js";

const RELOAD_MS = 4000;
let page = null; // the parts on the page now, null while there is nothing to select from

island("select", (node) => {
  let shown = "", stale = true, lastLoad = 0;
  const body = el("div", { class: "select-page" });
  fill(node, body);

  const draw = () => {
    const state = !studio.ready || (studio.dataset && !desk.loaded && !desk.error) ? "wait" : !studio.dataset ? "none" : desk.error ? "error" : scored() ? `work ${desk.id}` : `unscored ${desk.id} ${activeJobs(["score"]).length > 0}`;
    if (state === shown) return;
    shown = state;
    page?.stop();
    page = null;
    if (state === "wait") fill(body, el("div", { class: "skeleton select-wait", "aria-label": "Reading the scores" }));
    else if (state === "none") fill(body, empty({ title: "No data set is open", text: "Bring one in first; its scores are cut here.", icon: "folder", action: { label: "Go to Data", run: () => openTab("data") } }));
    else if (state === "error") fill(body, problem(desk.error));
    else if (state.startsWith("unscored")) fill(body, unscored());
    else page = work(body);
  };
  const scored = () => desk.columns.orders.question.all.length + desk.columns.orders.answer.all.length > 0;
  const read = () => {
    if (studio.tab !== "select" || !studio.ready) { stale = true; draw(); return; }
    stale = false;
    lastLoad = Date.now();
    load();
  };
  const stops = [
    heard("load", draw), on("dataset", read), on("tab", (tab) => { if (tab === "select" && stale) read(); }),
    on("job-end", (job) => { if (["score", "import"].includes(job.kind) && job.dataset_id === desk.id) read(); }),
    on("jobs", () => { draw(); if (activeJobs(["score"]).length && Date.now() - lastLoad > RELOAD_MS && !desk.drag && desk.spec === desk.stored) read(); }),
  ];
  draw();
  if (studio.ready) read();
  return () => { stops.forEach((f) => f()); page?.stop(); page = null; };
});

function unscored() {
  const running = activeJobs(["score"]).length > 0;
  return empty({ title: running ? "Scoring is at work" : "Score this data set first", icon: "info",
    text: running ? "The cuts appear here as soon as the first scores are stored." : "The cuts are made on question and answer scores. Two reward models give them; nothing is dropped before you say so.",
    action: { label: running ? "See how far it is" : "Go to Score", run: () => openTab("score") } });
}

function work(body) {
  const parts = Object.fromEntries(["bar", "canvas", "strip", "grid"].map((name) => [name, el("div", { class: `select-${name}` })]));
  const look = details();
  fill(body, parts.bar, parts.canvas, el("div", { class: "select-below" }, el("div", { class: "select-lists" }, parts.strip, parts.grid), look.node));
  const chosen = { id: null, list: null };
  const mark = () => { for (const c of all()) c.node.setAttribute("aria-current", String(c.id === chosen.id)); };
  const choose = (id, node) => {
    chosen.list = parts.strip.contains(node) ? "strip" : "grid";
    if (chosen.id === id) return;
    chosen.id = id;
    mark();
    look.show(id);
  };
  const large = (id) => openRecord(id, { ids: listed().map((c) => c.id), closed: (last) => focusOn(last) });
  const hooks = { choose, look: large, drawn: () => mark() };
  const near = strip(parts.strip, hooks), rows = grid(parts.grid, hooks);
  const all = () => [...near.cards(), ...rows.cards()];
  const listed = () => (chosen.list === "strip" ? near.cards() : rows.cards());
  const focusOn = (id) => { const found = listed().find((c) => c.id === id); if (found) { found.node.focus({ preventScroll: true }); found.node.scrollIntoView({ block: "nearest" }); } };
  const walk = (by) => {
    const list = listed(), at = list.findIndex((c) => c.id === chosen.id);
    const next = list[at < 0 ? (by > 0 ? 0 : list.length - 1) : at + by];
    if (next) focusOn(next.id);
  };
  const judge = async (verdict) => {
    if (chosen.id === null) { walk(1); return; }
    const stored = await decide([chosen.id], verdict);
    if (stored && verdict !== "clear") walk(1);
  };
  const stops = [toolbar(parts.bar), canvas(parts.canvas), near.stop, rows.stop, heard("live", look.draw), heard("live", () => { if (desk.drag) near.follow(desk.drag.stage, desk.drag.group); })];
  return { walk, judge, large: () => chosen.id !== null && large(chosen.id), turn: rows.turn, stop: () => stops.forEach((f) => f()) };
}

bind("select", "k", "Keep the chosen record by hand", () => page?.judge("keep"));
bind("select", "d", "Drop the chosen record by hand", () => page?.judge("drop"));
bind("select", "c", "Clear its mark: the cuts decide again", () => page?.judge("clear"));
bind("select", "u", "Undo the last manual step", () => page && step("undo"));
bind("select", "r", "Redo", () => page && step("redo"));
bind("select", ["ArrowLeft", "p"], "Previous record; on a cut: lower it", () => page?.walk(-1));
bind("select", ["ArrowRight", "n"], "Next record; on a cut: raise it", () => page?.walk(1));
bind("select", "Enter", "Large view of the chosen record", () => page?.large());
bind("select", "[", "Previous page", () => page?.turn(-1));
bind("select", "]", "Next page", () => page?.turn(1));
