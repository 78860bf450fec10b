// The Select tab: toolbar, cascade canvas, the records at the line, and below them filters, grid and the record in detail.
import { activeJobs, api, bind, el, empty, fill, fmt, icon, island, on, openTab, problem, studio } from "./studio.js";
import { bulkMenu, picks } from "./select/bulk.js";
import { canvas } from "./select/canvas.js";
import { decide, desk, heard, load, step } from "./select/desk.js";
import { chipLine, filters } from "./select/filters.js";
import { grid } from "./select/grid.js";
import { history } from "./select/history.js";
import { follow, you } from "./select/people.js";
import { noteChosen, onQuery, query } from "./select/query.js";
import { large, panel } from "./select/record.js";
import { strip } from "./select/strip.js";
import { toolbar } from "./select/toolbar.js";
import { tools } from "./select/tools.js";
import { views } from "./select/views.js";

const RELOAD_MS = 4000;
const FOLDS = "align2-select-folds";
let page = null; // the parts on the page now, null while there is nothing to select from

island("select", (node) => {
  let shown = "", stale = true, lastLoad = 0;
  const body = el("div", { class: "select-page" });
  fill(node, body);

  const draw = () => {
    const state = !studio.ready || (studio.dataset && !desk.loaded && !desk.error) ? "wait" : !studio.dataset ? "none" : desk.error ? `error ${desk.error.message}` : `work ${desk.id} ${scored()} ${scored() || activeJobs(["score"]).length > 0}`;
    if (state === shown) return;
    shown = state;
    page?.stop();
    page = null;
    if (state === "wait") fill(body, waiting());
    else if (state === "none") fill(body, empty({ title: "No data set is open", text: "Bring one in first; its records are looked at and cut here.", icon: "folder", action: { label: "Go to Data", run: () => openTab("data") } }));
    else if (desk.error) fill(body, el("div", { class: "stack" }, problem(desk.error), el("div", {}, el("button", { class: "btn", text: "Try again", on: { click: () => { shown = ""; load(); } } }))));
    else page = work(body, scored());
  };
  const scored = () => Boolean(desk.axes.question || desk.axes.answer);
  const read = () => {
    if (studio.tab !== "select" || !studio.ready) { stale = true; draw(); return; }
    stale = false;
    lastLoad = Date.now();
    load();
  };
  const stops = [
    heard("load", draw), on("dataset", read), on("tab", (tab) => { if (tab === "select" && stale) read(); }),
    on("online", (online) => { if (online && studio.tab === "select") read(); }),
    on("job-end", (job) => { if (["score", "import", "rewrite"].includes(job.kind) && job.dataset_id === desk.id) read(); }),
    on("jobs", () => { draw(); if (activeJobs(["score"]).length && Date.now() - lastLoad > RELOAD_MS && !desk.drag && !desk.link && desk.spec === desk.stored) read(); }),
  ];
  draw();
  if (studio.ready) read();
  return () => { stops.forEach((f) => f()); page?.stop(); page = null; };
});

function waiting() {
  return el("div", { class: "select-waiting", "aria-label": "Reading the scores" }, el("div", { class: "skeleton select-wait" }), el("div", { class: "select-wait-cards" }, Array.from({ length: 6 }, () => el("div", { class: "skeleton" }))));
}

/** What stands in place of the canvas where no record has a score. */
function unscored() {
  const running = activeJobs(["score"]).length > 0;
  return el("div", { class: "select-unscored card" }, icon("info"), el("div", { class: "grow" }, el("h2", { text: running ? "Scoring is at work" : "Score this data set first" }),
    el("p", { class: "quiet", text: running ? "The cuts appear here as soon as the first scores are stored. The records below can be looked at meanwhile." : "The cuts are made on question and answer scores, and two reward models give them. Until then the records below can be searched, filtered and kept by hand." })),
  el("button", { class: "btn primary", text: running ? "See how far it is" : "Go to Score", on: { click: () => openTab("score") } }));
}

const recall = () => { try { return JSON.parse(localStorage.getItem(FOLDS)) ?? {}; } catch { return {}; } };

function work(body, scored) {
  const part = (name) => el("div", { class: `select-${name}` });
  const parts = { bar: part("bar"), canvas: part("canvas"), strip: part("strip"), rail: el("aside", { class: "select-rail", "aria-label": "Filters" }), chips: el("div", { class: "select-chips", "aria-label": "Filters in force" }), grid: part("grid") };
  const chosen = { id: null, list: "grid" };
  const folds = recall();

  // --- the parts, and what they tell each other
  const all = () => [...(near?.cards() ?? []), ...rows.cards()];
  const mark = () => { for (const c of all()) c.node.setAttribute("aria-current", String(c.id === chosen.id)); };
  const choose = (id, node) => {
    chosen.list = parts.strip.contains(node) ? "strip" : "grid";
    if (chosen.id === id) return;
    chosen.id = id;
    noteChosen(id);
    mark();
    look.show(id);
  };
  const many = picks({ place: (id) => rows.pages?.placeOf(id) ?? null, at: (place) => rows.pages.at(place), redraw: () => rows.redraw() });
  const open = (id) => openLarge(id);
  const hooks = { choose, look: open, drawn: mark };
  const look = panel({ look: open });
  const bulk = bulkMenu(), saved = views(), past = history(), me = you();
  const count = el("span", { class: "num lists-count" });
  const railButton = el("button", { type: "button", class: "btn small", title: "Filters (F)", on: { click: () => turn("rail") } }, icon("text"), "Filters");
  const controls = el("div", { class: "row nowrap grid-controls" });
  const lookButton = el("button", { type: "button", class: "btn small look-button", title: "Record in detail (I)", "aria-label": "Record in detail", on: { click: () => turn("look") } }, icon("info"));
  const chipsLine = el("div", { class: "chips-line" }, parts.chips);
  const listsBody = el("div", { class: "lists-body" }, parts.rail, el("div", { class: "lists-main" }, chipsLine, parts.grid, many.node), look.node);
  fill(body, el("div", { class: "select-top" }, parts.bar, el("div", { class: "select-tools" }, tools())), scored ? [parts.canvas, parts.strip] : unscored(),
    el("section", { class: "select-lists", "aria-label": "Records" },
      el("div", { class: "lists-head" }, railButton, el("h2", { text: "Records" }), count, el("span", { class: "grow" }), controls, bulk.node, saved.node, past.node, me.node, lookButton), listsBody));

  const counted = (total, of) => {
    fill(count, total === null ? "" : [el("b", { text: fmt.int(total) }), el("span", { class: "quiet", text: total === of ? "" : ` of ${fmt.int(of)}` })]);
    bulk.counted(total);
  };
  const near = scored ? strip(parts.strip, hooks) : null;
  const line = chipLine(parts.chips);
  const rail = filters(parts.rail, { changed: () => { line.draw(); rows?.head(); } });
  const rows = grid(parts.grid, controls, { ...hooks, picks: { toggle: many.toggle, has: many.has }, counted });
  chipsLine.append(rows.fresh);

  /** Fold or unfold the rail or the panel. */
  function turn(name) {
    folds[name] = !folds[name];
    try { localStorage.setItem(FOLDS, JSON.stringify(folds)); } catch { /* lasts for this page */ }
    fold();
    if (name === "rail" && !folds.rail) rail.fresh();
  }
  const fold = () => {
    listsBody.classList.toggle("no-rail", Boolean(folds.rail));
    listsBody.classList.toggle("no-look", Boolean(folds.look));
    railButton.setAttribute("aria-pressed", String(!folds.rail));
    lookButton.setAttribute("aria-pressed", String(!folds.look));
  };
  fold();

  // --- walking
  const inStrip = () => chosen.list === "strip" && near?.cards().some((c) => c.id === chosen.id);
  const walk = async (by) => {
    if (inStrip()) {
      const list = near.cards(), at = list.findIndex((c) => c.id === chosen.id), next = list[at + by];
      if (next) { next.node.focus({ preventScroll: true }); next.node.scrollIntoView({ block: "nearest", inline: "nearest" }); }
      return;
    }
    const place = rows.pages?.placeOf(chosen.id) ?? null;
    if (!rows.pages?.total) return;
    const next = place === null ? Math.max(0, lastPlace) : place + by;
    if (next < 0 || next >= rows.pages.total) return;
    lastPlace = next;
    await rows.reveal(next, { focus: true });
  };
  let lastPlace = 0;
  const judge = async (verdict) => {
    if (many.size) return many.judge(verdict);
    if (chosen.id === null) return walk(1);
    const id = chosen.id;
    if (inStrip()) return near.judge(id, verdict);
    lastPlace = rows.pages?.placeOf(id) ?? lastPlace;
    const stored = await decide([id], verdict);
    if (stored && verdict !== "clear" && chosen.id === id) await walk(1);
  };

  // --- the large view walks what it was opened from
  function openLarge(id) {
    const fromStrip = inStrip() && chosen.id === id;
    const ids = fromStrip ? near.cards().map((c) => c.id) : null;
    const places = new Map();
    const step_ = async (by, from) => {
      if (ids) return ids[ids.indexOf(from) + by] ?? null;
      const place = places.get(from) ?? rows.pages?.placeOf(from) ?? null;
      if (place !== null) {
        const next = await rows.pages.at(place + by);
        if (next !== null) places.set(next, place + by);
        return next;
      }
      const answer = await api.post("/api/record-lists/walk", { dataset: desk.id, query: query.now, sort: query.sort, record: from, step: by });
      if (answer.record !== null) places.set(answer.record, answer.place);
      return answer.record;
    };
    large(id, {
      walk: step_,
      position: (at) => { if (ids) return `${fmt.ofN(ids.indexOf(at) + 1, ids.length)} at the line`; const place = places.get(at) ?? rows.pages?.placeOf(at) ?? null; return place === null ? "" : fmt.ofN(place + 1, rows.pages.total); },
      judge: (one, verdict) => decide([one], verdict),
      undo: () => step("undo"),
      moved: (at) => noteChosen(at),
      closed: async (last) => {
        if (last === chosen.id && document.contains(all().find((c) => c.id === last)?.node ?? null)) { all().find((c) => c.id === last).node.focus({ preventScroll: true }); return; }
        const place = places.get(last) ?? rows.pages?.placeOf(last) ?? null;
        if (!fromStrip && place !== null && await rows.reveal(place, { focus: true })) return;
        chosen.id = last;
        mark();
        look.show(last);
      },
    });
  }

  // --- what is heard
  if (query.chosen !== null) { chosen.id = query.chosen; look.show(query.chosen); }
  const stops = [
    toolbar(parts.bar), scored ? canvas(parts.canvas) : () => {}, near?.stop ?? (() => {}), rows.stop, rail.stop, bulk.stop, saved.stop, past.stop, me.stop, many.stop,
    follow({ show: () => past.open() }),
    onQuery(() => { line.draw(); }), on("address", () => { if (query.chosen !== null && query.chosen !== chosen.id) { chosen.id = query.chosen; mark(); look.show(query.chosen); } }),
    heard("live", look.draw), heard("decided", (moved) => { if (!moved?.size || moved.has(look.id)) look.again(); }),
    heard("live", () => { if (desk.drag && near) near.follow(desk.drag.stage, desk.drag.group); }),
  ];
  line.draw();
  parts.grid.addEventListener("keydown", (event) => { // up and down move a row where a card has the keyboard; elsewhere they scroll the page
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by || !event.target.matches(".pick") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    walk(by * rows.columnsAcross);
  });
  const escape = (event) => { if (event.key === "Escape" && !event.defaultPrevented && !event.target.matches("input, select, textarea") && !document.querySelector("dialog[open], .popover:not([hidden])")) many.clear(); };
  document.addEventListener("keydown", escape);
  stops.push(() => document.removeEventListener("keydown", escape));
  return {
    walk, judge, large: () => chosen.id !== null && open(chosen.id), turn, search: () => { if (folds.rail) turn("rail"); rail.search(); }, sort: () => rows.order(), goTo: () => rows.goTo(),
    bulk: () => bulk.open(), views: () => saved.open(), pick: (event) => chosen.id !== null && many.toggle(chosen.id, event),
    stop: () => stops.forEach((f) => f()),
  };
}

bind("select", "k", "Keep the chosen record, or those picked, by hand", () => page?.judge("keep"));
bind("select", "d", "Drop by hand", () => page?.judge("drop"));
bind("select", "c", "Clear the mark: the cuts decide again", () => page?.judge("clear"));
bind("select", "u", "Undo the last manual step", () => page && step("undo"));
bind("select", "r", "Redo", () => page && step("redo"));
bind("select", ["ArrowLeft", "p"], "Previous record (↑ a row up); on a cut: lower it", () => page?.walk(-1));
bind("select", ["ArrowRight", "n", "j"], "Next record (↓ a row down); on a cut: raise it", () => page?.walk(1));
bind("select", "Enter", "Large view of the chosen record", () => page?.large());
bind("select", ["x", "X"], "Pick the chosen record, with Shift all up to it; Esc picks none", (event) => page?.pick(event));
bind("select", "b", "Mark all records of the filter …", () => page?.bulk());
bind("select", "/", "Search", () => page?.search());
bind("select", "f", "Show or hide the filters", () => page?.turn("rail"));
bind("select", "i", "Show or hide the record in detail", () => page?.turn("look"));
bind("select", "s", "Order of the list", () => page?.sort());
bind("select", "#", "Go to the record at a place of the list", () => page?.goTo());
bind("select", "v", "Saved views", () => page?.views());

