// Counts of a selection from binned scores: what any pair of cuts lets through, fast enough to follow a pointer.
// Pure: no page, no network. The cube holds how many records lie in each cell of question × answer score, so its size does not grow with the data set.
// Inside the bin that a cut falls into the records are taken as evenly spread; everywhere else the counts are exact.

export const TYPES = ["conversation", "detail", "complex"];
export const ALL = "all";
export const STAGES = ["question", "answer"];
/** Reasons of pipeline/selection.py that the page speaks of. */
export const KEPT = 0, NO_QUESTION = 1, BELOW_QUESTION = 2, NO_ANSWER = 3, BELOW_ANSWER = 4, IMAGE_CAP = 5, HAND_KEPT = 6, HAND_DROPPED = 7, CLUSTER_CAP = 8, NOT_CHOSEN = 9, NOT_DRAWN = 10;
export const groupsOf = (spec) => (spec.per_type ? TYPES : [ALL]);
export const isKept = (code) => code === KEPT || code === HAND_KEPT;
/** Rules after the cuts (caps, variety): their effect is known from the server alone. */
export const hasLimits = (spec) => (spec.per_image ?? null) !== null || (spec.per_cluster ?? null) !== null || (spec.diverse ?? null) !== null;
/** Bars of a histogram: a few scores in many bars show noise, not a shape. All divide the bins. */
export const barsFor = (n) => (n < 240 ? 16 : n < 3000 ? 32 : 64);

const nothing = () => Object.fromEntries(TYPES.map((type) => [type, { keep: 0, drop: 0 }]));

/**
 * Read /api/selections/cube: uint32, [all records, those decided by hand (left out where there are none)] × 3 types × (bins + 1) question × (bins + 1) answer; the last index is "no score".
 * axes: {stage: {low, high} or null}. → a cube for `count`, `histogram`, `joint`.
 */
export function readCube(buffer, axes, bins) {
  const cells = (bins + 1) ** 2;
  const counts = new Uint32Array(buffer);
  const layer = (at) => (counts.length >= (at + 1) * 3 * cells ? TYPES.map((_, t) => slab(counts.subarray((at * 3 + t) * cells, (at * 3 + t + 1) * cells), bins)) : null);
  const all = layer(0);
  return { bins, axes, all, hand: layer(1), imported: all.map((s) => s.total), unscored: all.reduce((sum, s) => sum + s.unscored, 0), n: all.reduce((sum, s) => sum + s.total, 0) };
}

/** One type: cells[q, a], tail[q, a] = the sum of cells[q:, a] over scored questions, question[q] = the sum over answers. */
function slab(cells, bins) {
  const side = bins + 1;
  const tail = new Uint32Array(side * side), question = new Float64Array(side);
  for (let q = bins; q >= 0; q--) {
    const row = q * side;
    for (let a = 0; a < side; a++) {
      const here = cells[row + a];
      question[q] += here;
      tail[row + a] = q === bins ? 0 : here + tail[row + side + a];
    }
  }
  const total = question.reduce((sum, x) => sum + x, 0);
  let both = 0;
  for (let a = 0; a < bins; a++) both += tail[a];
  return { cells, tail, question, total, scored: total - question[bins], unscored: total - both, missing: cells.subarray(bins * side) };
}

/** How many of n members a share or count lets through. */
export function wanted(cut, n) {
  let k = cut.mode === "share" ? Math.floor(cut.amount * n + 0.5) : cut.amount;
  if (cut.mode === "share" && cut.amount > 0) k = Math.max(k, 1);
  return Math.min(k, n);
}

/**
 * Where a cut falls in a histogram: h[0 … bins − 1] records by score, h[bins] those without one.
 * → {members, passed, at, from, part, spread, free}: bins ≥ `from` pass whole, bin `from` − 1 by `part` (0–1); a draw by chance instead takes `spread` (0–1) of every bin;
 * `free`: share of the records without a score that pass; `at`: the score of the line, null where the cut is none.
 */
export function lineOf(h, cut, axis, bins) {
  let scored = 0;
  for (let i = 0; i < bins; i++) scored += h[i];
  const everyone = scored + h[bins];
  if (cut.mode === "pass") return { members: everyone, passed: everyone, at: null, from: 0, part: 0, spread: null, free: 1 };
  if (cut.mode === "random") {
    const passed = Math.min(cut.amount, everyone), spread = everyone ? passed / everyone : 0;
    return { members: everyone, passed, at: null, from: bins, part: 0, spread, free: spread };
  }
  const line = { members: scored, passed: 0, at: axis?.high ?? null, from: bins, part: 0, spread: null, free: 0 };
  if (!axis || !scored) return line;
  const width = (axis.high - axis.low) / bins;
  if (cut.mode === "value") {
    const place = Math.max(0, Math.min(bins, (cut.amount - axis.low) / width));
    line.from = Math.ceil(place);
    line.part = line.from - place;
    line.at = cut.amount;
    for (let i = line.from; i < bins; i++) line.passed += h[i];
    if (line.part > 0) line.passed += line.part * h[line.from - 1];
    return line;
  }
  const k = wanted(cut, Math.round(scored));
  if (k <= 0) return line;
  while (line.from > 0 && line.passed + h[line.from - 1] <= k) line.passed += h[--line.from];
  if (line.from > 0 && line.passed < k) line.part = (k - line.passed) / h[line.from - 1];
  line.passed = k;
  line.at = k >= Math.round(scored) ? axis.low : axis.low + (line.from - line.part) * width;
  return line;
}

/** How much of bin i passes a line, 0–1; i = bins: records without a score. */
function passing(line, i, bins) {
  if (i === bins) return line.free;
  if (line.spread !== null) return line.spread;
  return i >= line.from ? 1 : i === line.from - 1 ? line.part : 0;
}

/** Records of one type that a question line lets through, by answer bin; the last entry has no answer score. */
function afterQuestion({ cells, tail, missing }, line, bins, out) {
  const side = bins + 1;
  if (line.spread !== null) {
    for (let a = 0; a < side; a++) out[a] = line.spread * (tail[a] + missing[a]);
    return out;
  }
  const whole = line.from * side, edge = whole - side;
  for (let a = 0; a < side; a++) out[a] = (line.from < bins ? tail[whole + a] : 0) + (line.part ? line.part * cells[edge + a] : 0) + (line.free ? missing[a] : 0);
  return out;
}

function through(h, line, bins) {
  let sum = line.free * h[bins];
  if (line.spread !== null) { for (let i = 0; i < bins; i++) sum += line.spread * h[i]; return sum; }
  for (let i = line.from; i < bins; i++) sum += h[i];
  return line.part ? sum + line.part * h[line.from - 1] : sum;
}

/** Numbers that sum to a whole → whole numbers that sum to it rounded. */
function rounded(parts) {
  let sum = 0, told = 0;
  return parts.map((part) => {
    sum += part;
    const here = Math.round(sum) - told;
    told += here;
    return here;
  });
}

const summed = (parts) => { const out = new Float64Array(parts[0].length); for (const part of parts) for (let i = 0; i < out.length; i++) out[i] += part[i]; return out; };

/**
 * What a selection lets through. hand: {type: {keep, drop}} of people's decisions; ratio: [share of the records past both cuts that caps and variety leave, a type], from the last exact answer.
 * → lines: {stage: {group: line}} · bars: {stage: {group: {kept, dropped}}} in `barsFor` bars; the answer stage counts what passed the question cut ·
 * funnel: one row a type and one for all, {group, imported, scored, question, answered, answer, kept, handKept, handDropped, handQuestion, handPassed, byRule, capped}:
 * `answered` passed the question cut and has an answer score, `handQuestion` and `handPassed` are decided by hand and would pass the question cut, or both; `byRule` passed both
 * and was left to the rules, `capped` of these were left out by caps or variety ·
 * counts: records behind each choice of the grid · approximate: caps or variety are only guessed.
 */
export function count(cube, spec, { hand = nothing(), ratio = null } = {}) {
  const { bins, axes, all } = cube;
  const lines = { question: {}, answer: {} }, bars = { question: {}, answer: {} };
  const lineAt = (stage, t) => lines[stage][spec.per_type ? TYPES[t] : ALL];
  const stage = (name, parts) => {
    for (const group of groupsOf(spec)) {
      const h = group === ALL ? summed(parts) : parts[TYPES.indexOf(group)];
      lines[name][group] = lineOf(h, spec[name][group], axes[name], bins);
      bars[name][group] = barsOf(h, lines[name][group], bins, barsFor(cube.n));
    }
  };
  stage("question", all.map((s) => s.question));
  const alive = all.map((s, t) => afterQuestion(s, lineAt("question", t), bins, new Float64Array(bins + 1)));
  stage("answer", alive);
  const passed = alive.map((h, t) => through(h, lineAt("answer", t), bins));
  const byHand = TYPES.map((type, t) => {
    if (!cube.hand) return [0, 0];
    const h = afterQuestion(cube.hand[t], lineAt("question", t), bins, new Float64Array(bins + 1));
    return [h.reduce((sum, x) => sum + x, 0), through(h, lineAt("answer", t), bins)];
  });
  const whole = {
    question: rounded(all.map((s, t) => through(s.question, lineAt("question", t), bins))), answered: rounded(alive.map((h) => h.reduce((sum, x) => sum + x, 0) - h[bins])), answer: rounded(passed),
    byRule: rounded(passed.map((n, t) => Math.max(0, n - byHand[t][1]))), handQuestion: rounded(byHand.map(([q]) => q)), handPassed: rounded(byHand.map(([, both]) => both)),
  };
  const approximate = hasLimits(spec);
  const rows = TYPES.map((group, t) => {
    const { keep, drop } = hand[group] ?? { keep: 0, drop: 0 };
    const rule = Math.round(whole.byRule[t] * (approximate ? (ratio?.[t] ?? 1) : 1));
    return { group, imported: all[t].total, scored: all[t].scored, question: whole.question[t], answered: whole.answered[t], answer: whole.answer[t], kept: rule + keep, handKept: keep, handDropped: drop,
      handQuestion: whole.handQuestion[t], handPassed: whole.handPassed[t], byRule: whole.byRule[t], capped: whole.byRule[t] - rule };
  });
  return { lines, bars, ...totals(cube, rows), approximate };
}

/**
 * Live counts with the server's own numbers where it has answered: {cuts: {stage: {group: lowest score that passes, or null}}, funnel: [{group, scored, question, answer, kept}], answered: {group: n}}.
 * Lines gain `lowest`.
 */
export function corrected(cube, spec, live, exact) {
  const told = new Map(exact.funnel.map((row) => [row.group, row]));
  const rows = live.funnel.slice(0, TYPES.length).map((row) => {
    const { scored, question, answer, kept } = told.get(row.group);
    const rule = Math.max(0, kept - row.handKept), byRule = hasLimits(spec) ? Math.max(rule, answer - row.handPassed) : rule;
    return { ...row, scored, question, answered: exact.answered[row.group], answer, kept, byRule, capped: byRule - rule };
  });
  const sums = totals(cube, rows);
  const lines = Object.fromEntries(STAGES.map((stage) => [stage, Object.fromEntries(groupsOf(spec).map((group) => {
    const row = sums.funnel.find((r) => r.group === group), line = live.lines[stage][group];
    const scoresOnly = !["pass", "random"].includes(spec[stage][group].mode);
    const members = stage === "question" ? (scoresOnly ? row.scored : row.imported) : scoresOnly ? row.answered : row.question;
    return [group, { ...line, members, passed: row[stage], lowest: exact.cuts?.[stage]?.[group] ?? null }];
  }))]));
  return { ...live, ...sums, lines, approximate: false };
}

/** Of the records that both cuts and people leave to the rules, the share that caps and variety kept: [a type], for `count`. */
export function ratioOf(funnel) {
  return funnel.slice(0, TYPES.length).map((row) => (row.byRule ? (row.kept - row.handKept) / row.byRule : 1));
}

/** Rows of the three types → {funnel: with the row for all, counts: records behind each choice of the grid}. */
export function totals(cube, rows) {
  const total = { group: ALL };
  for (const row of rows) for (const [name, n] of Object.entries(row)) if (name !== "group") total[name] = (total[name] ?? 0) + n;
  return { funnel: [...rows, total], counts: { kept: total.kept, dropped: cube.n - total.kept, hand: total.handKept + total.handDropped, unscored: cube.unscored, all: cube.n } };
}

function barsOf(h, line, bins, bars) {
  const each = bins / bars;
  const kept = new Array(bars).fill(0), dropped = new Array(bars).fill(0);
  for (let i = 0; i < bins; i++) {
    const bar = Math.floor(i / each), in_ = h[i] * passing(line, i, bins);
    kept[bar] += in_;
    dropped[bar] += h[i] - in_;
  }
  return { kept, dropped };
}

/** Records of a group by score of one stage, with the question cut applied before the answer stage. Float64Array (bins + 1,). */
export function histogram(cube, spec, live, stage, group) {
  const types = group === ALL ? [0, 1, 2] : [TYPES.indexOf(group)];
  const line = (t) => live.lines.question[spec.per_type ? TYPES[t] : ALL];
  return summed(types.map((t) => (stage === "question" ? cube.all[t].question : afterQuestion(cube.all[t], line(t), cube.bins, new Float64Array(cube.bins + 1)))));
}

/** How many records of a histogram have a score of at least `value`; a broken number inside a bin. */
export function atLeast(h, axis, bins, value) {
  return lineOf(h, { mode: "value", amount: value }, axis, bins).passed;
}

/** Records by question × answer score in side × side cells, row-major by question; those without either score are left out. types: indexes into TYPES. */
export function joint(cube, types, side = 64) {
  const { bins, all } = cube;
  const out = new Float64Array(side * side), each = bins / side;
  for (const t of types) {
    const { cells } = all[t];
    for (let q = 0; q < bins; q++) {
      const row = Math.floor(q / each) * side;
      for (let a = 0; a < bins; a++) { const n = cells[q * (bins + 1) + a]; if (n) out[row + Math.floor(a / each)] += n; }
    }
  }
  return out;
}

/** Share of each cell of `joint` that the cuts keep, 0–1; 0 where it is empty. Caps and hands are left out. */
export function keptCells(cube, spec, live, types, side = 64) {
  const { bins, all } = cube;
  const kept = new Float64Array(side * side), whole = new Float64Array(side * side), each = bins / side;
  for (const t of types) {
    const group = spec.per_type ? TYPES[t] : ALL, { cells } = all[t];
    const question = Float64Array.from({ length: bins }, (_, i) => passing(live.lines.question[group], i, bins)), answer = Float64Array.from({ length: bins }, (_, i) => passing(live.lines.answer[group], i, bins));
    for (let q = 0; q < bins; q++) {
      const row = Math.floor(q / each) * side, through = question[q];
      for (let a = 0; a < bins; a++) {
        const n = cells[q * (bins + 1) + a];
        if (!n) continue;
        const at = row + Math.floor(a / each);
        whole[at] += n;
        kept[at] += n * through * answer[a];
      }
    }
  }
  for (let i = 0; i < kept.length; i++) if (whole[i]) kept[i] /= whole[i];
  return kept;
}
