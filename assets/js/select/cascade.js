// The cascade in the browser: the same rules as pipeline/selection.py over score columns, fast enough to follow a pointer.
// Pure: no page, no network. A test holds it against the Python function record by record.

export const TYPES = ["conversation", "detail", "complex"];
export const ALL = "all";
export const STAGES = ["question", "answer"];
export const KEPT = 0, NO_QUESTION = 1, BELOW_QUESTION = 2, NO_ANSWER = 3, BELOW_ANSWER = 4, IMAGE_CAP = 5, HAND_KEPT = 6, HAND_DROPPED = 7;
export const groupsOf = (spec) => (spec.per_type ? TYPES : [ALL]);
export const isKept = (code) => code === KEPT || code === HAND_KEPT;

const BYTES_A_RECORD = 21;
const ROOM = 2 ** 21;

/** Score columns as the server sends them, with each stage's records sorted best first (equal scores in file order). */
export function readColumns(buffer) {
  const n = buffer.byteLength / BYTES_A_RECORD;
  const columns = {
    n, ids: new Float64Array(buffer, 0, n), question: new Float32Array(buffer, 8 * n, n), answer: new Float32Array(buffer, 12 * n, n),
    image: new Int32Array(buffer, 16 * n, n), type: new Uint8Array(buffer, 20 * n, n),
  };
  columns.orders = Object.fromEntries(STAGES.map((stage) => [stage, ordersOf(columns[stage], columns.type)]));
  columns.imported = TYPES.map((_, t) => columns.type.reduce((sum, type) => sum + (type === t ? 1 : 0), 0));
  return columns;
}

/** {group: Uint32Array of indexes, best first}. Score and place become one sortable number, so that no comparator is called. */
function ordersOf(scores, types) {
  const n = scores.length;
  const bits = new Uint32Array(1), value = new Float32Array(bits.buffer);
  const keys = new Float64Array(n);
  let m = 0;
  for (let i = 0; i < n; i++) {
    if (Number.isNaN(scores[i])) continue;
    value[0] = scores[i] + 0; // −0 and 0 are the same score
    const rising = bits[0] & 0x80000000 ? ~bits[0] >>> 0 : (bits[0] | 0x80000000) >>> 0;
    keys[m++] = (0xffffffff - rising) * ROOM + i;
  }
  const sorted = keys.subarray(0, m).sort();
  const all = new Uint32Array(m);
  const sizes = TYPES.map(() => 0);
  for (let i = 0; i < m; i++) { all[i] = sorted[i] % ROOM; sizes[types[all[i]]]++; }
  const orders = { [ALL]: all };
  TYPES.forEach((name, t) => {
    const own = new Uint32Array(sizes[t]);
    for (let i = 0, at = 0; i < m; i++) if (types[all[i]] === t) own[at++] = all[i];
    orders[name] = own;
  });
  return orders;
}

/** How many of n members a share or count lets through. */
export function wanted(cut, n) {
  let k = cut.mode === "count" ? cut.amount : Math.floor(cut.amount * n + 0.5);
  if (cut.mode === "share" && cut.amount > 0) k = Math.max(k, 1);
  return Math.min(k, n);
}

/**
 * Decide every record. decisions: Map of record id to "keep" | "drop". → {code, passed: {question, answer} as 0/1 bytes,
 * lines: {stage: {group: {members, passed, lowest, next}}}}: `lowest` is the lowest score that passes, `next` the highest that doesn't, null where there is none.
 */
export function cascade(columns, spec, decisions = new Map()) {
  const { n, question, answer } = columns;
  const passed = { question: new Uint8Array(n), answer: new Uint8Array(n) };
  const lines = { question: {}, answer: {} };
  for (const group of groupsOf(spec)) {
    const order = columns.orders.question[group];
    lines.question[group] = stage(order, question, null, order.length, spec.question[group], passed.question);
  }
  const alive = answerable(columns, passed.question);
  for (const group of groupsOf(spec)) {
    lines.answer[group] = stage(columns.orders.answer[group], answer, passed.question, alive[group], spec.answer[group], passed.answer);
  }
  const code = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    if (!passed.question[i]) code[i] = Number.isNaN(question[i]) ? NO_QUESTION : BELOW_QUESTION;
    else if (!passed.answer[i]) code[i] = Number.isNaN(answer[i]) ? NO_ANSWER : BELOW_ANSWER;
  }
  if (spec.per_image !== null) capImages(columns, passed.answer, spec.per_image, code);
  for (const [id, verdict] of decisions) {
    const at = indexOf(columns, id);
    if (at >= 0) code[at] = verdict === "keep" ? HAND_KEPT : HAND_DROPPED;
  }
  return { code, passed, lines };
}

/** {group: records that passed the question cut and have an answer score}. In file order: jumping through memory is what costs time here. */
function answerable({ n, answer, type }, passed) {
  const counts = [0, 0, 0];
  for (let i = 0; i < n; i++) if (passed[i] === 1 && answer[i] === answer[i]) counts[type[i]]++;
  return { conversation: counts[0], detail: counts[1], complex: counts[2], [ALL]: counts[0] + counts[1] + counts[2] };
}

function stage(order, scores, alive, members, cut, passed) {
  const line = { members, passed: 0, lowest: null, next: null };
  const byValue = cut.mode === "value";
  const floor = Math.fround(cut.amount);
  const k = byValue ? members : wanted(cut, members);
  for (let i = 0; i < order.length; i++) {
    const at = order[i];
    if (alive && !alive[at]) continue;
    if (line.passed >= k || (byValue && scores[at] < floor)) { line.next = scores[at]; break; }
    passed[at] = 1;
    line.passed++;
    line.lowest = scores[at];
  }
  return line;
}

function capImages({ orders, image }, passed, cap, code) {
  const seen = new Map();
  for (const at of orders.answer[ALL]) {
    if (!passed[at] || image[at] < 0) continue;
    const before = seen.get(image[at]) ?? 0;
    if (before >= cap) code[at] = IMAGE_CAP;
    seen.set(image[at], before + 1);
  }
}

/** Place of a record id in the columns, −1 where it isn't there. */
export function indexOf({ ids, n }, id) {
  let low = 0, high = n - 1;
  while (low <= high) {
    const mid = (low + high) >> 1;
    if (ids[mid] === id) return mid;
    if (ids[mid] < id) low = mid + 1; else high = mid - 1;
  }
  return -1;
}

/**
 * What a result amounts to, in one pass over the file:
 * funnel: one row a type and one for all, {group, imported, scored, question, answered, answer, kept, handKept, handDropped, capped} (`answered`: passed the question cut and has an answer score) ·
 * counts: records behind each choice of the grid · bars: {stage: {group: {kept, dropped}}} per bin; the answer stage counts what passed the question cut. bins: {stage: bin of each record, or null}.
 */
export function summary(columns, { code, passed }, bins, count) {
  const rows = [...TYPES, ALL].map((group) => ({ group, imported: 0, scored: 0, question: 0, answered: 0, answer: 0, kept: 0, handKept: 0, handDropped: 0, capped: 0 }));
  const tally = new Uint32Array(3 * 8), unscored = [0, 0, 0];
  const bars = STAGES.map(() => new Uint32Array(3 * 2 * (count + 1)));
  const { n, question, answer, type } = columns;
  const binQ = bins.question, binA = bins.answer;
  const scored = [0, 0, 0], passQ = [0, 0, 0], answered = [0, 0, 0], passA = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const t = type[i], q = question[i], a = answer[i];
    tally[t * 8 + code[i]]++;
    if (q === q) { scored[t]++; if (binQ) bars[0][(t * 2 + passed.question[i]) * (count + 1) + binQ[i]]++; }
    if (q !== q || a !== a) unscored[t]++;
    if (passed.question[i] === 0) continue;
    passQ[t]++;
    passA[t] += passed.answer[i];
    if (a === a) { answered[t]++; if (binA) bars[1][(t * 2 + passed.answer[i]) * (count + 1) + binA[i]]++; }
  }
  const total = rows[3];
  for (let t = 0; t < 3; t++) {
    const of = (c) => tally[t * 8 + c];
    Object.assign(rows[t], { imported: columns.imported[t], scored: scored[t], question: passQ[t], answered: answered[t], answer: passA[t], kept: of(KEPT) + of(HAND_KEPT), handKept: of(HAND_KEPT), handDropped: of(HAND_DROPPED), capped: of(IMAGE_CAP) });
    for (const name of Object.keys(total)) if (name !== "group") total[name] += rows[t][name];
  }
  const counts = { kept: total.kept, dropped: n - total.kept, hand: total.handKept + total.handDropped, unscored: unscored[0] + unscored[1] + unscored[2], all: n };
  return { funnel: rows, counts, bars: Object.fromEntries(STAGES.map((stage, s) => [stage, barsOf(bars[s], count)])) };
}

function barsOf(tally, count) {
  const part = (t, passed) => Array.from(tally.subarray((t * 2 + passed) * (count + 1), (t * 2 + passed) * (count + 1) + count));
  const groups = Object.fromEntries(TYPES.map((type, t) => [type, { kept: part(t, 1), dropped: part(t, 0) }]));
  const sum = (name) => groups.conversation[name].map((n, i) => n + groups.detail[name][i] + groups.complex[name][i]);
  return { ...groups, [ALL]: { kept: sum("kept"), dropped: sum("dropped") } };
}

/** Score range of one stage for its axis: the ends are drawn in where a few outliers would squeeze all others. */
export function axisOf(columns, name) {
  const order = columns.orders[name][ALL], scores = columns[name];
  if (!order.length) return null;
  const at = (q) => scores[order[Math.min(order.length - 1, Math.floor((1 - q) * order.length))]];
  let low = scores[order[order.length - 1]], high = scores[order[0]];
  const p1 = at(0.002), p99 = at(0.998), spread = p99 - p1;
  if (spread > 0) { low = Math.max(low, p1 - 0.25 * spread); high = Math.min(high, p99 + 0.25 * spread); }
  const pad = (high - low || Math.abs(high) || 1) * 0.02;
  return { low: low - pad, high: high + pad };
}

/** Bin of each record on an axis (`count`: no score); outliers fall into the outer bins. */
export function binsOf(scores, axis, count) {
  const bins = new Uint8Array(scores.length).fill(count);
  const scale = count / (axis.high - axis.low);
  for (let i = 0; i < scores.length; i++) {
    if (!Number.isNaN(scores[i])) bins[i] = Math.max(0, Math.min(count - 1, Math.floor((scores[i] - axis.low) * scale)));
  }
  return bins;
}

/** How many members of a stage and group have a score of at least `value`. */
export function atLeast(columns, result, name, group, value) {
  const order = columns.orders[name][group], scores = columns[name];
  const alive = name === "answer" ? result.passed.question : null;
  let above = 0;
  for (let i = 0; i < order.length && scores[order[i]] >= value; i++) if (!alive || alive[order[i]]) above++;
  return above;
}
