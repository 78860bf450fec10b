// Moving one cut: by a line that is dragged, by keys, by another way of saying it. The panels and the joint view share this.
import { atLeast, histogram } from "./cube.js";
import { desk, setSpec } from "./desk.js";
import { moved } from "./pace.js";
import { exactShare, withCut } from "./spec.js";

const FINE_SHARE_UP_TO = 2000;
/** Above so many records a dragged share is told to a tenth of a per cent. */

export const cutOf = (stage, group) => desk.spec[stage][group];
export const lineNow = (stage, group) => desk.live.lines[stage][group];
export const change = (stage, group, cut, options) => setSpec(withCut(desk.spec, stage, group, cut), options);
export const isDragged = (stage, group) => desk.drag?.stage === stage && desk.drag?.group === group;
/** A line that can be dragged: a draw by chance has none, nor has a stage without scores. */
export const canDrag = (stage, group) => Boolean(desk.axes[stage]) && cutOf(stage, group)?.mode !== "random" && lineNow(stage, group)?.members > 0;

/** Score at which a line stands, for drawing: under the pointer while dragged. null: the cut has no line. */
export function lineAt(stage, group) {
  if (isDragged(stage, group)) return desk.drag.at;
  const cut = cutOf(stage, group), line = lineNow(stage, group), axis = desk.axes[stage];
  if (!axis || cut.mode === "random") return null;
  if (cut.mode === "pass") return axis.low;
  return cut.mode === "value" ? cut.amount : line.at;
}

/** The cut that a line at this score makes, said as the present one is. */
export function cutAt(stage, group, value) {
  const axis = desk.axes[stage], { cube, spec, live } = desk;
  const mode = cutOf(stage, group).mode === "pass" ? "share" : cutOf(stage, group).mode;
  if (mode === "value") return { mode, amount: Number(value.toFixed(desk.digits[stage] + 1)) };
  const h = desk.drag?.h ?? histogram(cube, spec, live, stage, group);
  const members = Math.round(h.subarray(0, cube.bins).reduce((sum, n) => sum + n, 0));
  const above = value <= axis.low ? members : value >= axis.high ? 0 : Math.round(atLeast(h, axis, cube.bins, value));
  if (mode === "count") return { mode, amount: above };
  return { mode, amount: members > FINE_SHARE_UP_TO ? Number((above / members).toFixed(3)) : exactShare(above, members) };
}

// --- drag
export function startDrag(stage, group, at, event) {
  moved(event.timeStamp);
  desk.drag = { stage, group, at, from: desk.spec, h: histogram(desk.cube, desk.spec, desk.live, stage, group) };
  change(stage, group, cutAt(stage, group, at));
}

export function moveDrag(at, event) {
  const { stage, group } = desk.drag;
  moved(event.timeStamp);
  desk.drag.at = at;
  change(stage, group, cutAt(stage, group, at));
}

/** Let go: the cuts are stored; a cancelled drag takes them back. */
export function endDrag(event) {
  const { from } = desk.drag;
  desk.drag = null;
  setSpec(event.type === "pointercancel" ? from : desk.spec, { now: true });
}

// --- keys: right is a higher cut, so fewer pass
export function nudge(stage, group, steps) {
  const cut = cutOf(stage, group), axis = desk.axes[stage], { members } = lineNow(stage, group);
  if (cut.mode === "pass") return steps > 0 && change(stage, group, { mode: "share", amount: Number((1 - steps * 0.01).toFixed(6)) });
  if (cut.mode === "share") return change(stage, group, { mode: "share", amount: Math.max(0, Math.min(1, Number((cut.amount - steps * 0.01).toFixed(6)))) });
  if (cut.mode !== "value") return change(stage, group, { mode: cut.mode, amount: Math.max(0, Math.min(members, cut.amount - steps * step10(members))) });
  const spread = axis ? axis.high - axis.low : 1;
  change(stage, group, { mode: "value", amount: Number((cut.amount + (steps * spread) / 200).toFixed(desk.digits[stage] + 1)) });
}

/** One key press moves a count by about half a per cent of its members, in a round number; few records one by one. */
function step10(members) {
  return members < 1000 ? 1 : 10 ** Math.floor(Math.log10(members / 100));
}

/** Keys of a focused line. True where the key was taken. */
export function lineKey(event, stage, group, { upIsMore = false } = {}) {
  if (event.ctrlKey || event.metaKey || event.altKey || !canDrag(stage, group)) return false;
  const far = event.shiftKey ? 5 : 1, up = upIsMore ? far : -far;
  const moves = { ArrowRight: far, ArrowUp: up, ArrowLeft: -far, ArrowDown: -up, PageUp: upIsMore ? 10 : -10, PageDown: upIsMore ? -10 : 10 };
  moved(event.timeStamp);
  if (event.key in moves) nudge(stage, group, moves[event.key]);
  else if (event.key === "Home") change(stage, group, cutAt(stage, group, desk.axes[stage].low));
  else if (event.key === "End") change(stage, group, cutAt(stage, group, desk.axes[stage].high));
  else return false;
  event.preventDefault();
  return true;
}
