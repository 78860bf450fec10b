// Which records the lists show, in which order, and which one is chosen: one value that lives in the address.
// A link shows what its sender saw, the browser's back and forward walk through the filters. Draws nothing.
import { emit, on, openDataset, openTab, param, studio } from "../studio.js";

export const SHOWS = [["all", "All"], ["kept", "Kept"], ["dropped", "Dropped"], ["hand", "By hand"], ["unscored", "No score"]];
export const FIRST_ORDER = Object.freeze({ by: "answer", ascending: false });
const TYPES = ["conversation", "detail", "complex"];
const LONGEST_TEXT = 500;

/** now: the query as /api/record-lists takes it · sort: {by, ascending} · chosen: id of the chosen record or null · wrong: why the address could not be read, or "". */
export const query = { now: {}, sort: FIRST_ORDER, chosen: null, wrong: "" };

const listeners = new Set();
/** Hear of another query or order. f({query, sort}). Returns a way to stop. */
export function onQuery(f) {
  listeners.add(f);
  return () => listeners.delete(f);
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const every = (value, test) => isObject(value) && Object.values(value).every(test);
const listOf = (value, test) => Array.isArray(value) && value.every(test);
const isId = (value) => Number.isInteger(value) && value > 0;

const COMPARED = { both: "kept in both", left: "only in the first", right: "only in the second", neither: "in neither" };

/** What each part of a query may be. A part that says nothing (empty, "all") is left out by `tidy`. */
const PARTS = {
  show: (v) => SHOWS.some(([id]) => id === v),
  types: (v) => listOf(v, (t) => TYPES.includes(t)),
  text: (v) => typeof v === "string" && v.length <= LONGEST_TEXT,
  ranges: (v) => every(v, (r) => Array.isArray(r) && r.length === 2 && r.every((end) => end === null || isNumber(end))),
  flags: (v) => every(v, (flag) => typeof flag === "boolean"),
  values: (v) => every(v, (list) => listOf(list, (item) => typeof item === "string")),
  reasons: (v) => listOf(v, (code) => Number.isInteger(code) && code >= 0),
  groups: (v) => every(v, (only) => only === true),
  like: (v) => isObject(v) && (isId(v.record) || (typeof v.text === "string" && v.text.length <= LONGEST_TEXT)),
  same_image_as: isId,
  lasso: (v) => listOf(v, (point) => listOf(point, isNumber) && point.length === 2),
  ids: (v) => listOf(v, isId),
  compared: (v) => isObject(v) && [v.left, v.right].every((name) => typeof name === "string" && name && name.length <= 120) && v.side in COMPARED,
};

const saysNothing = (name, value) =>
  value === null || value === undefined || value === "" || (name === "show" && value === "all") || (name === "text" && !String(value).trim())
  || (Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0);

/** A query without the parts that say nothing. Equal questions give equal text. */
export function tidy(wish) {
  const found = {};
  for (const name of Object.keys(PARTS)) {
    let value = wish[name];
    if (isObject(value) && name !== "like" && name !== "compared")
      value = Object.fromEntries(Object.entries(value).filter(([, v]) => v !== null && v !== undefined && !(Array.isArray(v) && (v.length === 0 || v.every((end) => end === null)))).sort(([a], [b]) => (a < b ? -1 : 1)));
    if (!saysNothing(name, value)) found[name] = value;
  }
  return found;
}

/** Read a query as it stands in an address. → {query, wrong}: wrong says in a few words what can't be read; the query is then empty. */
export function readQuery(text) {
  if (!text) return { query: {}, wrong: "" };
  let value;
  try { value = JSON.parse(text); } catch { return { query: {}, wrong: "it is no JSON" }; }
  if (!isObject(value)) return { query: {}, wrong: "it is no object" };
  for (const [name, part] of Object.entries(value)) {
    if (!(name in PARTS)) return { query: {}, wrong: `“${name.slice(0, 40)}” is no part of a filter` };
    if (!PARTS[name](part)) return { query: {}, wrong: `“${name}” can't be ${JSON.stringify(part).slice(0, 40)}` };
  }
  return { query: tidy(value), wrong: "" };
}

const sortText = ({ by, ascending }) => (by === FIRST_ORDER.by && ascending === FIRST_ORDER.ascending ? "" : `${ascending ? "" : "-"}${by}`);
/** "-question" → {by: "question", ascending: false}; "" is the first order. */
export const readSort = (text) => (/^-?[\w.: -]{1,200}$/.test(text) ? { by: text.replace(/^-/, ""), ascending: !text.startsWith("-") } : FIRST_ORDER);

export const sameQuery = (a, b) => JSON.stringify(tidy(a)) === JSON.stringify(tidy(b));

/** One value of a part that is a table: withPart(query.now, "ranges", "question", [0, null]). null takes it out. */
export function withPart(now, part, name, value) {
  return { [part]: { ...now[part], [name]: value } };
}

let typed = ""; // the part that is being typed; its changes share one step of the browser's history

/** Change parts of the query; null or an empty value removes one. typing: many changes of one field are one step back. */
export function setQuery(change, { typing = "" } = {}) {
  const next = tidy({ ...query.now, ...change });
  if (sameQuery(next, query.now)) { if (!typing) typed = ""; return; }
  query.now = next;
  query.wrong = "";
  if (query.sort.by === "similarity" && !next.like) query.sort = FIRST_ORDER;
  if (next.like && change.like) query.sort = { by: "similarity", ascending: false };
  write({ step: !typing || typed !== typing });
  typed = typing;
  say();
}

/** Set a whole query and its order, as a saved view or a link does. */
export function openQuery(now, sort = query.sort) {
  query.now = tidy(now);
  Object.assign(query, { sort, wrong: "" });
  typed = "";
  write({ step: true });
  say();
}

export function setSort(sort) {
  if (sort.by === query.sort.by && sort.ascending === query.sort.ascending) return;
  query.sort = sort;
  typed = "";
  write({ step: true });
  say();
}

/** Note the chosen record in the address; no step of its own. */
export function noteChosen(id) {
  if (query.chosen === id) return;
  query.chosen = id;
  write({ step: false });
}

function say() {
  for (const f of [...listeners]) {
    try { f({ query: query.now, sort: query.sort }); } catch (error) { console.error(error); }
  }
}

function write({ step }) {
  const params = new URLSearchParams(location.search);
  const put = (name, text) => (text ? params.set(name, text) : params.delete(name));
  put("query", Object.keys(query.now).length ? JSON.stringify(query.now) : "");
  put("sort", sortText(query.sort));
  put("chosen", query.chosen === null ? "" : String(query.chosen));
  const text = params.toString();
  if (text === new URLSearchParams(location.search).toString()) return;
  history[step ? "pushState" : "replaceState"](null, "", text ? `?${text}` : location.pathname);
}

function read() {
  const found = readQuery(param("query"));
  const chosen = Number(param("chosen"));
  Object.assign(query, { now: found.query, wrong: found.wrong, sort: readSort(param("sort")), chosen: isId(chosen) ? chosen : null });
  typed = "";
}

read();
addEventListener("popstate", () => {
  const before = JSON.stringify([query.now, query.sort]);
  read();
  const dataset = Number(param("dataset"));
  if (isId(dataset) && studio.dataset && dataset !== studio.dataset.id && studio.datasets.some((d) => d.id === dataset)) { openDataset(dataset); return; }
  if (param("tab") && param("tab") !== studio.tab) openTab(param("tab"));
  if (JSON.stringify([query.now, query.sort]) !== before) say();
  emit("address");
});

let of = studio.dataset?.id ?? null;
on("dataset", (dataset) => { // a filter belongs to its data set: names of fields, clusters and ids mean nothing in another one
  const id = dataset?.id ?? null;
  if (of !== null && id !== null && id !== of && Number(param("dataset")) === id) {
    Object.assign(query, { now: {}, sort: FIRST_ORDER, chosen: null, wrong: "" });
    write({ step: false });
    say();
  }
  if (id !== null) of = id;
});

/**
 * The parts of a query as chips: [{part, label, value, change}], change takes the chip's filter away. `names`: {column(name) → {label, unit, …} or null, value(column, value) → text,
 * type(id) → label, reason(code) → text, number(column, value) → text}.
 */
export function chipsOf(now, names) {
  const chips = [];
  const add = (part, label, value, change) => chips.push({ part, label, value, change });
  const column = (name) => names.column(name)?.label ?? name;
  if (now.show) add("show", "", SHOWS.find(([id]) => id === now.show)[1], { show: null });
  if (now.types) add("types", "Type", now.types.map(names.type).join(", "), { types: null });
  if (now.text) add("text", "Text", `“${now.text}”`, { text: null });
  for (const [name, [low, high]] of Object.entries(now.ranges ?? {})) {
    const [from, to] = [low, high].map((end) => (end === null ? null : names.number(name, end)));
    add("ranges", column(name), from === null ? `up to ${to}` : to === null ? `from ${from}` : `${from} to ${to}`, withPart(now, "ranges", name, null));
  }
  for (const [name, on_] of Object.entries(now.flags ?? {})) add("flags", column(name), on_ ? "yes" : "no", withPart(now, "flags", name, null));
  for (const [name, list] of Object.entries(now.values ?? {}))
    add("values", column(name), list.length > 3 ? `${list.length} values` : list.map((value) => names.value(name, value)).join(", "), withPart(now, "values", name, null));
  if (now.reasons) add("reasons", "Reason", now.reasons.map(names.reason).join(", "), { reasons: null });
  for (const name of Object.keys(now.groups ?? {})) add("groups", column(name), "only where there are several", withPart(now, "groups", name, null));
  if (now.like) add("like", "Like", now.like.record ? `record ${now.like.record}` : `“${now.like.text}”`, { like: null });
  if (now.same_image_as) add("same_image_as", "Same image as", `record ${now.same_image_as}`, { same_image_as: null });
  if (now.lasso) add("lasso", "Map", "inside the lasso", { lasso: null });
  if (now.compared) add("compared", `${names.selection?.(now.compared.left) ?? now.compared.left} and ${names.selection?.(now.compared.right) ?? now.compared.right}`, COMPARED[now.compared.side], { compared: null });
  if (now.ids) add("ids", "", `${now.ids.length.toLocaleString("en-GB")} named ${now.ids.length === 1 ? "record" : "records"}`, { ids: null });
  return chips;
}
