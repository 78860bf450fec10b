// The rail of filters: search, decision, type, both scores, reason, and every column the data set has. Each section asks for its counts only while it is open.
import { api, debounce, el, fill, icon, on, studio } from "../studio.js";
import { desk, heard } from "./desk.js";
import { flagFacet, numberFacet, oneFacet, plainNumber, valuesFacet } from "./facet.js";
import { titleOf as selectionTitle } from "./compare.js";
import { chipsOf, onQuery, query, setQuery, SHOWS, withPart } from "./query.js";

const OPEN = "align2-select-open";
const OPEN_AT_FIRST = ["show", "type", "question", "answer"];
const TYPING_MS = 220;
const ASK_MS = 40;
const SEARCH_AGAIN_MS = 3000;

const remembered = () => { try { return new Set(JSON.parse(localStorage.getItem(OPEN)) ?? OPEN_AT_FIRST); } catch { return new Set(OPEN_AT_FIRST); } };
const remember = (names) => { try { localStorage.setItem(OPEN, JSON.stringify([...names])); } catch { /* lasts for this page */ } };

/** Titles of groups of columns that no signal names. */
const TITLES = { fields: "Fields of the file", rewrites: "Rewrites" };
const titleOf = (group) => TITLES[group] ?? columns.signals.find((signal) => signal.name === group)?.label ?? (group ? group[0].toUpperCase() + group.slice(1).replaceAll("_", " ") : "Other");

/** What can be filtered by in the open data set. list: columns as /api/record-lists/columns gives them · missing: signals that were not measured · search: "ready", "building" or "scan". */
export const columns = { list: [], signals: [], missing: [], search: "ready", labels: new Map() };
export const columnOf = (name) => columns.list.find((column) => column.name === name) ?? null;

/** Columns of numbers that records can be put in order by. */
export const sortable = () => columns.list.filter((column) => column.kind === "number" && !["question", "answer"].includes(column.name));

/** The words of chips for the present query. */
export function chips() {
  return chipsOf(query.now, {
    column: (name) => columnOf(name) ?? { question: { label: "Question score" }, answer: { label: "Answer score" } }[name] ?? null,
    value: (name, value) => columns.labels.get(`${name} ${value}`) ?? value,
    type: (id) => desk.info?.types.find((type) => type.id === id)?.label ?? id,
    selection: selectionTitle,
    reason: (code) => desk.info?.reasons[code] ?? `reason ${code}`,
    number: (name, value) => { const column = columnOf(name); return plainNumber(value, column?.low ?? value - 1, column?.high ?? value + 1); },
  });
}

/** Fill a node with the rail. Tells `changed()` when the columns were read. → {search(), stop()} */
export function filters(node, { changed = () => {} } = {}) {
  const open = remembered();
  const facets = new Map(); // column name → {section, facet, wish()}
  let known = null, asked = 0, turn = 0, drawn = "", of = null;
  const search = searchBox();
  const body = el("div", { class: "rail-body" });
  fill(node, search.node, body);

  async function read() {
    const mine = ++turn, id = desk.id;
    if (id === null) return;
    if (of !== id) Object.assign(columns, { list: [], signals: [], missing: [] });
    const here = () => mine === turn && id === desk.id && node.isConnected;
    const answer = await api.get("/api/record-lists/columns", { dataset: id }).catch(() => null);
    if (!here()) return;
    Object.assign(columns, { list: answer?.columns ?? [], search: answer?.search ?? "ready" });
    build();
    search.draw();
    changed();
    if (columns.search === "building") setTimeout(() => { if (here()) read(); }, SEARCH_AGAIN_MS);
    const told = await api.get("/api/signals", { dataset: id }).catch(() => null); // later: what a signal will cost is timed first
    if (!here() || !told) return;
    Object.assign(columns, { signals: told.signals, missing: told.signals.filter((signal) => signal.state !== "ready") });
    build();
  }

  function build() {
    const shape = JSON.stringify([desk.id, columns.list, columns.signals.map((s) => [s.name, s.state])]);
    if (shape === drawn) return draw();
    drawn = shape;
    facets.clear();
    if (of !== desk.id) known = null;
    of = desk.id;
    for (const name of wanted()) open.add(name); // a filter that is set is seen
    fill(body, groups().map(([title, list]) => el("section", { class: "rail-group", "aria-label": title }, el("h3", { text: title }), list)));
    draw();
    ask();
  }

  /** [title, nodes] of each part of the rail, in the order of a person's questions. */
  function groups() {
    const scores = ["question", "answer"].map((name) => columnOf(name) ?? { name, label: name === "question" ? "Question score" : "Answer score", kind: "number" });
    const first = [
      ["Decision", [section({ name: "show", label: "Show", kind: "show" }), section({ name: "reason", label: "Reason", kind: "reason" })]],
      ["Type and scores", [section({ name: "type", label: "Instruction type", kind: "type" }), ...scores.map(section)]],
    ];
    const titles = new Map();
    for (const column of columns.list) {
      if (["question", "answer"].includes(column.name)) continue;
      const title = titleOf(column.group);
      titles.set(title, [...(titles.get(title) ?? []), section(column)]);
    }
    if (titles.has(TITLES.fields)) { const fields = titles.get(TITLES.fields); titles.delete(TITLES.fields); titles.set(TITLES.fields, fields); } // what signals measure comes first
    const missing = columns.missing.length ? [["Not measured yet", columns.missing.map(missingSignal)]] : [];
    return [...first, ...titles, ...missing];
  }

  function missingSignal(signal) {
    const words = { queued: "waiting", running: "at work", stale: "out of date" }[signal.state] ?? "";
    return el("div", { class: "rail-missing", data: { signal: signal.name } }, el("span", { class: "clip grow", title: signal.help ?? "", text: signal.label }),
      words ? el("span", { class: "quiet small-text", text: words }) : null,
      ["queued", "running"].includes(signal.state) ? null : el("button", { type: "button", class: "link small-text", "aria-label": `Run ${signal.label}`, text: "Run …", on: { click: () => document.dispatchEvent(new CustomEvent("align2:signals", { detail: { signal: signal.name } })) } }));
  }

  function section(column) {
    const facet = facetOf(column);
    const clear = el("button", { type: "button", class: "icon-btn rail-clear", hidden: true, "aria-label": `${column.label}: take the filter away`, title: "Take the filter away", on: { click: () => setQuery(cleared(column)) } }, icon("close"));
    const inside = el("div", { class: "rail-inside" }, facet.node);
    const head = el("button", { type: "button", class: "rail-head", "aria-expanded": String(open.has(column.name)), title: column.help || column.label, on: { click: () => {
      const now = !open.has(column.name);
      now ? open.add(column.name) : open.delete(column.name);
      remember(open);
      show();
      if (now) ask();
    } } }, icon("right"), el("span", { class: "clip grow", text: column.label }), column.unit ? el("span", { class: "quiet small-text", text: column.unit }) : null);
    const show = () => {
      head.setAttribute("aria-expanded", String(open.has(column.name)));
      inside.hidden = !open.has(column.name);
    };
    show();
    facets.set(column.name, { column, facet, mark: (set) => { clear.hidden = !set; head.classList.toggle("filtered", set); } });
    return el("div", { class: "rail-section", data: { column: column.name } }, el("div", { class: "rail-line" }, head, clear), inside);
  }

  function facetOf(column) {
    const { name } = column;
    const part = (table) => (value, options) => setQuery(withPart(query.now, table, name, value), options);
    if (column.kind === "show") return oneFacet(column, SHOWS, (id) => setQuery({ show: id }));
    if (column.kind === "type") return valuesFacet(column, (list) => setQuery({ types: list }), { dots: true });
    if (column.kind === "reason") return valuesFacet(column, (list) => setQuery({ reasons: list }));
    if (column.kind === "number") return numberFacet(column, part("ranges"));
    if (column.kind === "category") return valuesFacet(column, part("values"));
    if (column.kind === "group") return flagFacet(column, (value) => part("groups")(value === true ? true : null), { only: "Only where there are several" });
    return flagFacet(column, part("flags"));
  }

  const wishOf = ({ name, kind }) => {
    const now = query.now;
    return { show: () => now.show, type: () => now.types, reason: () => now.reasons, number: () => now.ranges?.[name], category: () => now.values?.[name], group: () => now.groups?.[name], flag: () => now.flags?.[name] }[kind]() ?? null;
  };
  const cleared = ({ name, kind }) => ({ show: { show: null }, type: { types: null }, reason: { reasons: null } }[kind]
    ?? withPart(query.now, { number: "ranges", category: "values", group: "groups", flag: "flags" }[kind], name, null));
  const wanted = () => [...facets.values()].filter(({ column }) => wishOf(column) !== null).map(({ column }) => column.name);

  /** Draw every section from what is known. */
  function draw() {
    for (const { column, facet, mark } of facets.values()) {
      const wish = wishOf(column);
      mark(wish !== null);
      facet.draw(known?.[column.name] ?? null, wish, column.kind === "show" ? liveCounts() : undefined);
    }
  }
  /** Counts of the decision as the cuts move; only while nothing else is asked for, as they count all records. */
  function liveCounts() {
    const others = Object.keys(query.now).some((part) => part !== "show");
    return others || !desk.live ? {} : { ...desk.live.counts, all: desk.info?.dataset.record_count };
  }
  const drawShow = () => {
    const found = facets.get("show");
    if (found && open.has("show")) found.facet.draw(Object.keys(liveCounts()).length ? null : known?.show ?? null, query.now.show ?? null, liveCounts());
  };

  const askNow = async () => {
    if (desk.id === null || !node.clientWidth) return; // a folded rail asks for nothing
    const names = [...facets.keys()].filter((name) => open.has(name));
    if (!names.length) return;
    const mine = ++asked, id = desk.id;
    try {
      const answer = await api.post("/api/record-lists/facets", { dataset: id, query: query.now, columns: names });
      if (mine !== asked || id !== desk.id) return;
      known = { ...known, ...answer.columns };
      for (const [name, found] of Object.entries(answer.columns)) for (const one of found.values ?? []) if (one.label !== undefined) columns.labels.set(`${name} ${one.value}`, String(one.label));
      draw();
      drawShow();
    } catch (error) {
      if (mine === asked) note(error);
    }
  };
  const note = () => { for (const { facet } of facets.values()) facet.node.classList.add("old"); }; // the list itself tells what went wrong
  const ask = debounce(() => { for (const { facet } of facets.values()) facet.node.classList.remove("old"); askNow(); }, ASK_MS);

  const moved = () => { draw(); search.draw(); ask(); };
  if (desk.loaded) read();
  const stops = [
    onQuery(moved), heard("load", () => desk.loaded && read()), heard("settled", ask), heard("decided", ask), heard("live", drawShow),
    on("job-end", (job) => { if (job.dataset_id === desk.id && ["signal", "signal_model", "index", "rewrite"].includes(job.kind)) read(); }),
    on("jobs", debounce(() => { if (columns.missing.length && studio.jobs.some((job) => job.active && job.dataset_id === desk.id && job.kind.startsWith("signal"))) read(); }, 800)),
  ];
  return { search: search.focus, fresh: moved, stop: () => stops.forEach((f) => f()) };
}

/** The search field: exact words, or by meaning where the map was computed. → {node, draw(), focus()} */
function searchBox() {
  const field = el("input", { class: "input", type: "search", maxLength: 500, spellcheck: false, autocomplete: "off", "aria-label": "Search questions and answers" });
  const ways = el("div", { class: "seg search-ways", role: "group", "aria-label": "How to search" });
  const told = el("p", { class: "quiet small-text", hidden: true });
  const node = el("div", { class: "rail-search" }, el("div", { class: "search" }, icon("search"), field), ways, told);
  let meaning = Boolean(query.now.like?.text);
  const wish = () => (meaning ? query.now.like?.text ?? "" : query.now.text ?? "");
  const send = (options) => {
    const text = field.value.trim();
    setQuery(meaning ? { like: text ? { text } : null, text: null } : { text, ...(query.now.like?.text ? { like: null } : {}) }, options);
  };
  const typing = debounce(() => send({ typing: "text" }), TYPING_MS);
  field.addEventListener("input", () => { if (!meaning || !field.value) typing(); }); // by meaning costs more: asked on Enter
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); send({ typing: "text" }); }
    if (event.key === "Escape") { event.preventDefault(); field.value ? ((field.value = ""), send({})) : field.blur(); }
  });
  const draw = () => {
    if (query.now.like?.text) meaning = true;
    if (query.now.text) meaning = false;
    if (document.activeElement !== field) field.value = wish();
    field.placeholder = meaning ? "Describe what you look for" : "Words in question or answer";
    const map = Boolean(columnOf("map_x"));
    fill(ways, [[false, "Exact words", "All of these words, “in quotes” as a phrase"], [true, "By meaning", map ? "The records most like these words; press Enter" : "Needs the signal “Map”: run it first"]].map(([value, label, title]) =>
      el("button", { type: "button", "aria-pressed": String(meaning === value), disabled: value && !map && !meaning, title, text: label, on: { click: () => { meaning = value; if (field.value.trim()) send({}); draw(); field.focus(); } } })));
    told.hidden = columns.search !== "building";
    told.textContent = "The text index is being built; until then a search reads every record.";
  };
  draw();
  return { node, draw, focus: () => { field.focus(); field.select(); } };
}

/** The line of chips: what is asked for, each with a way to take it out. → {draw()} */
export function chipLine(node) {
  const draw = () => {
    const all = chips();
    node.hidden = !all.length && !query.wrong;
    fill(node,
      query.wrong ? el("p", { class: "warn-text small-text", role: "alert" }, `The filter in the address can't be read: ${query.wrong}. All records are shown.`) : null,
      all.map((chip) => el("span", { class: "filter-chip", data: { part: chip.part } }, chip.label ? el("span", { class: "quiet", text: chip.label }) : null, el("b", { class: "clip record-text", dir: "auto", title: chip.value, text: chip.value }),
        el("button", { type: "button", "aria-label": `Take away: ${[chip.label, chip.value].filter(Boolean).join(" ")}`, on: { click: () => setQuery(chip.change) } }, icon("close")))),
      all.length ? el("button", { type: "button", class: "link small-text", text: "Clear all", on: { click: () => setQuery(Object.fromEntries(Object.keys(query.now).map((part) => [part, null]))) } }) : null);
  };
  draw();
  return { draw };
}

