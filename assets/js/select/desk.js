// What the Select tab works on: the binned scores, the working cuts, and what they do. Draws nothing, holds nothing a record.
import { api, debounce, param, refresh, setParams, studio, tell, toast, url } from "../studio.js";
import { BELOW_ANSWER, BELOW_QUESTION, CLUSTER_CAP, corrected, count, HAND_DROPPED, HAND_KEPT, IMAGE_CAP, isKept, KEPT, NO_ANSWER, NO_QUESTION, NOT_CHOSEN, NOT_DRAWN, ratioOf, readCube, STAGES, ALL, TYPES } from "./cube.js";
import { cutsText, readCuts } from "./link.js";
import { later, never } from "./later.js";
import { drawn } from "./pace.js";
import { same } from "./spec.js";
export { paceOf } from "./pace.js";

const SETTLE_MS = 260;
const LIVE_MS = 180;

/**
 * loaded: a data set's scores are here · info: the server's overview · cube, axes, digits, hand: binned scores and how many were decided by hand, a type ·
 * spec: the cuts on the page; stored: those in the store, seen: their number · live: {lines, bars, funnel, counts, approximate} of spec · exact: the server's answer to spec, null while it is on its way ·
 * drag: {stage, group, at, from} while a line is dragged · link: the stored cuts while those of a link are on the page · conflict: {by, spec, spec_id} when somebody else changed the cuts.
 */
export const desk = {
  loaded: false, error: null, id: null, info: null, cube: null, axes: {}, digits: {}, hand: null, spec: null, stored: null, seen: null,
  live: null, exact: null, ratio: null, undo: null, redo: null, drag: null, problem: null, link: null, conflict: null,
};

const listeners = new Map();
/**
 * Hear of: "load" (all new), "frame" (cuts or decisions moved: as often as the pointer moves, for what is cheap to draw), "live" (the same, a few times a second while a line is dragged), "settled" (exact numbers of the cuts on the page are here), "decided" (detail: Map id → verdict or null), "problem",
 * "notice" (desk.link or desk.conflict came or went). Returns a way to stop.
 */
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

// --- reading
let turn = 0;
let linkRead = false; // the address speaks of cuts once: when the page is opened

/** Read everything of the open data set anew. Keeps what is on the page until the new numbers are here. */
export async function load() {
  const id = studio.dataset?.id ?? null;
  const mine = ++turn;
  if (id !== desk.id) Object.assign(desk, { id, loaded: false, error: null, cube: null, live: null, exact: null, ratio: null, problem: null, drag: null, link: null, conflict: null });
  if (id === null) { say("load"); return; }
  if (!desk.loaded) say("load");
  try {
    const [info, buffer] = await Promise.all([api.get("/api/selections/overview", { dataset: id }), cubeOf(id)]);
    if (mine !== turn) return;
    take(info, buffer);
    readLink();
    say("load");
    say("notice");
    noteAddress();
  } catch (error) {
    if (mine === turn) { Object.assign(desk, { error, loaded: false }); say("load"); }
  }
}

async function cubeOf(id) {
  const response = await fetch(url("/api/selections/cube", { dataset: id }), { credentials: "same-origin" }).catch(() => null);
  if (!response?.ok) throw Object.assign(new Error("The scores could not be read."), { hint: "Reload the page." });
  return response.arrayBuffer();
}

function take(info, buffer) {
  for (const stage of STAGES) {
    const axis = info.axes[stage], spread = axis ? axis.high - axis.low : 1;
    desk.axes[stage] = axis;
    desk.digits[stage] = spread < 0.4 ? 4 : spread < 4 ? 3 : 2;
  }
  Object.assign(desk, {
    info, loaded: true, error: null, problem: null, drag: null, link: null, conflict: null, cube: readCube(buffer, desk.axes, info.bins), hand: handOf(info), spec: info.spec, stored: info.spec, seen: info.spec_id,
    undo: info.undo, redo: info.redo, exact: info,
  });
  recount();
}

/** {type: {keep, drop}}: how many records people decided. */
function handOf(info) {
  return Object.fromEntries(TYPES.map((type, t) => [type, { keep: info.hand.keep[t], drop: info.hand.drop[t] }]));
}

/** People decided something: their part of the numbers is read anew; cuts and page stay. */
const rereadHand = debounce(async () => {
  const { id } = desk;
  try {
    const [info, buffer] = await Promise.all([api.get("/api/selections/overview", { dataset: id }), cubeOf(id)]);
    if (id !== desk.id || !desk.loaded) return;
    Object.assign(desk, { cube: readCube(buffer, desk.axes, info.bins), hand: handOf(info), undo: info.undo, redo: info.redo });
    if (same(info.spec, desk.spec)) Object.assign(desk, { info, exact: info });
    follow();
  } catch (error) { tell(error); }
}, 60);

/** Cuts or decisions moved: count, and tell it. */
function follow() {
  recount();
  say("frame");
  if (desk.drag) { later("live", () => say("live"), { every: LIVE_MS }); return; }
  never("live");
  say("live");
}

function recount() {
  const { cube, spec, hand, ratio } = desk;
  const live = count(cube, spec, { hand, ratio });
  desk.live = desk.exact ? corrected(cube, spec, live, desk.exact) : live;
  if (desk.exact) desk.ratio = ratioOf(desk.live.funnel);
}

// --- changing cuts
let frame = 0;

/** Show other cuts at once; they are stored when nothing has moved for a moment. `now` stores them right away, `reload` reads the scores anew after that. */
export function setSpec(spec, { now = false, reload = false } = {}) {
  if (!same(spec, desk.spec)) desk.exact = null;
  desk.spec = spec;
  desk.problem = null;
  const show = () => { frame = 0; follow(); drawn(); };
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
let storing = null; // the answer on its way; the next one waits, for it has to name the version that this one makes

/** Store the cuts on the page. Cuts moved meanwhile are stored by a second round. */
function store() {
  storing ??= (async () => {
    try {
      let sent;
      do {
        sent = desk.spec;
        await put(sent);
      } while (!desk.drag && !desk.conflict && desk.loaded && !same(sent, desk.spec) && !same(desk.stored, desk.spec));
    } finally {
      storing = null;
    }
  })();
  return storing;
}

async function put(spec) {
  const { id } = desk;
  if (!desk.loaded) return;
  if (desk.link) { desk.link = null; say("notice"); }
  try {
    const exact = await api.put("/api/selections/current", { dataset: id, spec, seen: desk.seen });
    if (id !== desk.id) return;
    Object.assign(desk, { seen: exact.spec_id, stored: exact.spec });
    if (!same(spec, desk.spec)) return;
    answered(exact);
    say("settled");
    noteAddress();
    refresh();
  } catch (error) {
    if (id !== desk.id) return;
    if (error.place === "seen") { disagree(error); return; }
    if (same(spec, desk.spec)) {
      Object.assign(desk, { spec: desk.stored, exact: null });
      follow();
    }
    if (error.place) setProblem({ place: error.place, message: error.message, hint: error.hint });
    else tell(error);
  }
}

/** The server's numbers of the cuts on the page. Where it knows of other records or decisions than the cube, everything is read anew. */
function answered(exact) {
  const whole = exact.funnel.at(-1), ours = desk.live.funnel.at(-1);
  if (whole.imported !== ours.imported || whole.scored !== ours.scored || exact.counts.hand !== desk.live.counts.hand || exact.counts.unscored !== desk.live.counts.unscored) { load(); return; }
  desk.spec = exact.spec;
  desk.exact = exact;
  follow();
}

// --- somebody else changed the cuts
function disagree(error) {
  const { by, spec, spec_id } = error.body;
  desk.conflict = { by, spec, spec_id };
  say("notice");
}

/** End the disagreement: with their cuts, or with those on the page stored over them. */
export function settle(which) {
  const { conflict } = desk;
  if (!conflict) return;
  Object.assign(desk, { seen: conflict.spec_id, conflict: null });
  if (which === "theirs") {
    const mine = desk.spec;
    Object.assign(desk, { spec: conflict.spec, stored: conflict.spec });
    load().then(() => { say("settled"); toast("Their cuts are open.", { action: { label: "Back to mine", run: () => setSpec(mine, { now: true }) }, seconds: 10 }); });
  } else store();
  say("notice");
}

// --- the cuts in the address
function readLink() {
  const first = !linkRead;
  linkRead = true;
  const text = first ? param("cuts") : "";
  if (!text || text === cutsText(desk.stored)) return;
  const { spec, problem, hint } = readCuts(text, desk.stored);
  if (problem) { toast(problem, { kind: "bad", hint, seconds: 12 }); return; }
  if (same(spec, desk.stored)) return;
  Object.assign(desk, { link: desk.stored, spec, exact: null });
  recount();
  ask(spec);
}

/** Exact numbers of cuts that aren't stored. */
async function ask(spec) {
  const { id } = desk;
  try {
    const exact = await api.post("/api/selections/preview", { dataset: id, spec });
    if (id === desk.id && same(spec, desk.spec)) { desk.exact = exact; follow(); say("settled"); }
  } catch (error) {
    if (id === desk.id && same(spec, desk.spec)) { leaveLink(); tell(error); }
  }
}

/** Store the cuts that came with the link. */
export function useLink() {
  if (desk.link) store();
}

/** Forget the cuts of the link. */
export function leaveLink() {
  if (!desk.link) return;
  Object.assign(desk, { spec: desk.link, link: null, exact: desk.info });
  follow();
  say("notice");
  noteAddress();
}

function noteAddress() {
  if (desk.loaded && !desk.link) setParams({ cuts: cutsText(desk.spec) });
}

/** Set other cuts as a whole and offer the way back. */
export function replaceSpec(spec, words) {
  const before = desk.spec;
  if (same(before, spec)) { toast(`${words}: the cuts are so already.`); return; }
  setSpec(spec, { now: true });
  toast(`${words}.`, { action: { label: "Back", run: () => setSpec(before, { now: true }) }, seconds: 8 });
}

// --- one record
/**
 * What the selection makes of a card now: {kept, code, reason, byHand, question, answer}. Told from its scores and the lines, so that it follows a drag;
 * caps, variety, chance and scores on the line itself are the server's word on the card.
 */
export function standing(card) {
  const question = card.question_score ?? null, answer = card.answer_score ?? null, byHand = card.by_hand ?? null;
  const code = byHand === "keep" ? HAND_KEPT : byHand === "drop" ? HAND_DROPPED : ruled(card, question, answer);
  return { kept: isKept(code), code, reason: desk.info.reasons[code] ?? card.reason, byHand, question, answer };
}

const LIMITS = [IMAGE_CAP, CLUSTER_CAP, NOT_CHOSEN];

function ruled(card, question, answer) {
  const group = desk.spec.per_type ? card.type : ALL;
  const told = card.code ?? (card.kept ? KEPT : null);
  const lost = (stage, score, missing, below) => (desk.spec[stage][group].mode === "random" ? NOT_DRAWN : score === null ? missing : below);
  const q = passes("question", group, question) ?? ![NO_QUESTION, BELOW_QUESTION, NOT_DRAWN].includes(told);
  if (!q) return lost("question", question, NO_QUESTION, BELOW_QUESTION);
  const a = passes("answer", group, answer) ?? ![NO_ANSWER, BELOW_ANSWER, NOT_DRAWN].includes(told);
  if (!a) return lost("answer", answer, NO_ANSWER, BELOW_ANSWER);
  return LIMITS.includes(told) ? told : KEPT;
}

/** Whether a score passes a line; null where only the server knows. */
function passes(stage, group, score) {
  const { mode } = desk.spec[stage][group], line = desk.live.lines[stage][group];
  if (mode === "pass") return true;
  if (mode === "random") return null;
  if (score === null) return false;
  if (line.lowest === undefined) return line.passed > 0 && score >= line.at;
  if (line.lowest === null) return false;
  return Math.abs(score - line.lowest) < 2e-6 ? null : score > line.lowest;
}

// --- decisions by hand
/** Keep, drop or clear records by hand. True when it was stored. */
export async function decide(ids, verdict) {
  if (!ids.length) return false;
  try {
    applied(await api.post("/api/decisions/decide", { dataset: desk.id, records: ids, verdict }), new Map(ids.map((id) => [id, verdict === "clear" ? null : verdict])));
    return true;
  } catch (error) { tell(error); return false; }
}

/** Undo the last manual decision (or the one named), or redo. Says what it was. */
export async function step(which, action = null) {
  try {
    const answer = await api.post(`/api/decisions/${which}`, { dataset: desk.id, action });
    applied(answer, null);
    toast(`${which === "undo" ? "Undone" : "Done again"}: ${answer.told}`, { seconds: 4 });
  } catch (error) { tell(error); }
}

/** Take a stored change of decisions in: tells "decided" with what moved, and reads the counts anew. answer: as /api/decisions gives it; `moved` where it doesn't name the records. */
export function applied(answer, moved = null) {
  const told = answer.changed ? new Map(Object.entries(answer.changed).map(([id, verdict]) => [Number(id), verdict])) : moved;
  for (const name of ["undo", "redo", "activity"]) if (name in answer) desk[name] = answer[name];
  say("decided", told ?? new Map());
  rereadHand();
  refresh();
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
