// What the Select tab works on: score columns, the working cuts, manual decisions, and what they do. Draws nothing.
import { api, debounce, refresh, studio, tell, toast } from "../studio.js";
import { axisOf, binsOf, cascade, indexOf, readColumns, STAGES, summary } from "./cascade.js";
import { same } from "./spec.js";

export const BINS = 48;
const SETTLE_MS = 260;

/** loaded: a data set's scores are here · spec: the working cuts · live: {result, funnel, counts, bars} of spec and decisions · exact: the server's answer to the last stored cuts. */
export const desk = {
  loaded: false, error: null, id: null, info: null, columns: null, axes: {}, bins: {}, digits: {}, spec: null, stored: null,
  decisions: new Map(), live: null, exact: null, undo: null, redo: null, drag: null, problem: null,
};

const listeners = new Map();
/** Hear of: "load" (all new), "live" (cuts or decisions moved), "settled" (stored, exact numbers in desk.exact), "decided" (detail: Map id → verdict or null), "problem". Returns a way to stop. */
export function heard(event, f) {
  if (!listeners.has(event)) listeners.set(event, new Set());
  listeners.get(event).add(f);
  return () => listeners.get(event).delete(f);
}
function say(event, detail) {
  for (const f of [...(listeners.get(event) ?? [])]) {
    try { f(detail); } catch (error) { console.error(error); }
  }
}

let turn = 0;

/** Read everything of the open data set anew. Keeps what is on the page until the new numbers are here. */
export async function load() {
  const id = studio.dataset?.id ?? null;
  const mine = ++turn;
  if (id !== desk.id) Object.assign(desk, { id, loaded: false, error: null, columns: null, live: null, exact: null, problem: null, drag: null });
  if (id === null) { say("load"); return; }
  if (!desk.loaded) say("load");
  try {
    const [info, buffer] = await Promise.all([api.get("/api/selections/overview", { dataset: id }), columnsOf(id)]);
    if (mine === turn) take(info, buffer);
  } catch (error) {
    if (mine === turn) { Object.assign(desk, { error, loaded: false }); say("load"); }
  }
}

async function columnsOf(id) {
  const response = await fetch(`/api/selections/columns?dataset=${id}`, { credentials: "same-origin" }).catch(() => null);
  if (!response?.ok) throw Object.assign(new Error("The scores could not be read."), { hint: "Reload the page." });
  return response.arrayBuffer();
}

function take(info, buffer = null) {
  if (buffer) desk.columns = readColumns(buffer);
  for (const stage of STAGES) {
    const axis = axisOf(desk.columns, stage);
    const spread = axis ? axis.high - axis.low : 1;
    desk.axes[stage] = axis;
    desk.bins[stage] = axis ? binsOf(desk.columns[stage], axis, BINS) : null;
    desk.digits[stage] = spread < 0.4 ? 4 : spread < 4 ? 3 : 2;
  }
  Object.assign(desk, {
    info, loaded: true, error: null, problem: null, drag: null, spec: info.spec, stored: info.spec, undo: info.undo, redo: info.redo, exact: info,
    decisions: new Map(Object.entries(info.decisions).map(([id, verdict]) => [Number(id), verdict])),
  });
  recount();
  say("load");
}

function recount() {
  const result = cascade(desk.columns, desk.spec, desk.decisions);
  desk.live = { result, ...summary(desk.columns, result, desk.bins, BINS) };
}

let frame = 0;

/** Show other cuts at once; they are stored when nothing has moved for a moment. `now` stores them right away, `reload` reads the scores anew after that. */
export function setSpec(spec, { now = false, reload = false } = {}) {
  desk.spec = spec;
  desk.problem = null;
  const show = () => { frame = 0; recount(); say("live"); };
  if (now) { cancelAnimationFrame(frame); show(); store().then(() => reload && load()); return; }
  frame ||= requestAnimationFrame(show);
  if (!desk.drag) storeSoon();
}

/** Say that a field holds nothing usable. Nothing else changes. */
export function setProblem(problem) {
  desk.problem = problem;
  say("problem");
}

const storeSoon = debounce(() => { if (!desk.drag) store(); }, SETTLE_MS);
let storing = 0;

async function store() {
  const { id, spec } = desk;
  if (!desk.loaded) return;
  const mine = ++storing;
  try {
    const exact = await api.put("/api/selections/current", { dataset: id, spec });
    if (mine !== storing || id !== desk.id) return;
    Object.assign(desk, { exact, stored: spec });
    const whole = exact.funnel.at(-1), ours = desk.live.funnel.at(-1);
    if (same(spec, desk.spec) && (whole.kept !== ours.kept || whole.question !== ours.question || whole.imported !== ours.imported)) await load(); // scores or decisions changed elsewhere
    say("settled");
    refresh();
  } catch (error) {
    if (mine !== storing || id !== desk.id) return;
    desk.spec = desk.stored;
    recount();
    say("live");
    if (error.place) setProblem({ place: error.place, message: error.message, hint: error.hint });
    else tell(error);
  }
}

/** Set other cuts as a whole and offer the way back. */
export function replaceSpec(spec, words) {
  const before = desk.spec;
  if (same(before, spec)) { toast(`${words}: the cuts are so already.`); return; }
  setSpec(spec, { now: true });
  toast(`${words}.`, { action: { label: "Back", run: () => setSpec(before, { now: true }) }, seconds: 8 });
}

/** What the selection makes of a record now: {kept, code, reason, byHand}. */
export function standing(id) {
  const at = indexOf(desk.columns, id);
  if (at < 0) return null;
  const code = desk.live.result.code[at];
  return { code, kept: code === 0 || code === 6, reason: desk.info.reasons[code], byHand: desk.decisions.get(id) ?? null, question: desk.columns.question[at], answer: desk.columns.answer[at] };
}

function applied({ changed, undo, redo }) {
  const moved = new Map(Object.entries(changed).map(([id, verdict]) => [Number(id), verdict]));
  for (const [id, verdict] of moved) if (verdict) desk.decisions.set(id, verdict); else desk.decisions.delete(id);
  Object.assign(desk, { undo, redo });
  recount();
  say("live");
  say("decided", moved);
  refresh();
}

/** Keep, drop or clear records by hand. True when it was stored. */
export async function decide(ids, verdict) {
  if (!ids.length) return false;
  try {
    applied(await api.post("/api/selections/decide", { dataset: desk.id, records: ids, verdict }));
    return true;
  } catch (error) { tell(error); return false; }
}

/** Undo the last manual decision (or the one named), or redo. Says what it was. */
export async function step(which, action = null) {
  try {
    const answer = await api.post(`/api/selections/${which}`, { dataset: desk.id, action });
    applied(answer);
    toast(`${which === "undo" ? "Undone" : "Done again"}: ${answer.told}`, { seconds: 4 });
  } catch (error) { tell(error); }
}

/** Make a stored selection the working cuts. */
export async function openSelection(name) {
  const before = desk.spec;
  try {
    await api.post("/api/selections/open", { dataset: desk.id, name });
    await load();
    say("settled");
    refresh();
    toast(`“${name}” is open.`, { action: { label: "Back", run: () => setSpec(before, { now: true }) }, seconds: 8 });
  } catch (error) { tell(error); }
}
