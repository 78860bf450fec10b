// Changes to a selection as values: a new cut, another way to say the same cut, per type or together. Pure.
import { int, number } from "../format.js";
import { ALL, TYPES, groupsOf } from "./cube.js";

export const LARGEST = 1e9;
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export function withCut(spec, stage, group, cut) {
  return { ...spec, [stage]: { ...spec[stage], [group]: cut } };
}

/** The same cut for every group of a stage. */
export function everywhere(spec, stage, cut) {
  return { ...spec, [stage]: Object.fromEntries(groupsOf(spec).map((group) => [group, cut])) };
}

const rounded = (value, digits) => Number(value.toFixed(digits));

/**
 * A cut said another way, letting the same records through. line: {members, passed, at, lowest?} of the desk; `alive`: records that reach this stage, scored or not.
 * Exact once the server has answered (`lowest` is there); until then as near as the bins tell.
 */
export function inMode(cut, mode, line, digits, alive) {
  if (cut.mode === mode) return cut;
  const passed = Math.round(line.passed), members = Math.round(line.members);
  if (mode === "pass") return { mode, amount: 1 };
  if (mode === "random") return { mode, amount: Math.min(passed, alive) };
  if (mode === "count") return { mode, amount: passed };
  if (mode === "share") return { mode, amount: exactShare(passed, members) };
  return { mode, amount: valueOf(line, digits) };
}

/** A share that lets k of n through: as few decimals as will do. */
export function exactShare(k, n) {
  if (!n) return 1;
  for (const digits of [2, 3, 4, 6]) {
    const share = rounded(k / n, digits);
    if (Math.floor(share * n + 0.5) === k && (k > 0 || share === 0)) return share;
  }
  return k / n;
}

/** The score of a line as a number to cut at: the shortest one that lets the lowest passing score through and lies no lower in single precision. */
export function valueOf({ lowest, at }, digits) {
  if (lowest === null || lowest === undefined) return at === null ? 0 : rounded(at, digits + 1);
  for (let d = digits; d <= 12; d++) if (Math.fround(rounded(lowest, d)) === Math.fround(lowest)) return rounded(lowest, d);
  return lowest;
}

/** One cut for all types → one a type, keeping what the words mean: shares and values stay, counts are split as they fall now. */
export function perType(spec, byType) {
  if (spec.per_type) return spec;
  const split = (stage) => Object.fromEntries(TYPES.map((type) => {
    const cut = spec[stage][ALL];
    return [type, ["count", "random"].includes(cut.mode) ? { mode: cut.mode, amount: byType[type][stage] } : cut];
  }));
  return { ...spec, per_type: true, question: split("question"), answer: split("answer") };
}

/** One cut a type → one for all: equal ones stay, counts add up, anything else becomes the share that passes now. */
export function together(spec, lines) {
  if (!spec.per_type) return spec;
  const joined = (stage) => {
    const cuts = TYPES.map((type) => spec[stage][type]);
    const total = (name) => Math.round(TYPES.reduce((sum, type) => sum + lines[stage][type][name], 0));
    for (const mode of ["count", "random"]) if (cuts.every((cut) => cut.mode === mode)) return { [ALL]: { mode, amount: cuts.reduce((sum, cut) => sum + cut.amount, 0) } };
    if (cuts.every((cut) => same(cut, cuts[0]))) return { [ALL]: cuts[0] };
    return { [ALL]: { mode: "share", amount: exactShare(total("passed"), total("members")) } };
  };
  return { ...spec, per_type: false, question: joined("question"), answer: joined("answer") };
}

/** Read what a person typed into a cut's field. → {cut} or {problem, hint}. Percent in share mode; a decimal comma is fine. */
export function readAmount(text, mode) {
  const bare = text.trim().replace(/\s|%/g, "").replace("−", "-");
  const whole = mode === "count" || mode === "random";
  const plain = whole ? bare.replace(/,(?=\d{3}(\D|$))/g, "") : bare.replace(/^([+-]?\d*),(\d+)$/, "$1.$2");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return { problem: `“${text.trim().slice(0, 30)}” is no number`, hint: mode === "share" ? "Type a percentage such as 30." : whole ? "Type a whole number such as 500." : "Type a score such as 0.25." };
  const value = Number(plain);
  if (!Number.isFinite(value) || Math.abs(value) > LARGEST) return { problem: "That number is too large", hint: `Stay below ${LARGEST.toLocaleString("en-GB")}.` };
  if (mode === "share") {
    if (value < 0 || value > 100) return { problem: `${plain} % is outside 0 to 100`, hint: "30 keeps the best 30 %." };
    return { cut: { mode, amount: Number((value / 100).toFixed(8)) } };
  }
  if (whole && (value < 0 || !Number.isInteger(value))) return { problem: `${plain} is no number of records`, hint: "Use a whole number, 0 or more." };
  return { cut: { mode, amount: value } };
}

/** A cut's amount as its field shows it. */
export function amountText(cut, digits) {
  if (cut.mode === "share") return String(Number((cut.amount * 100).toFixed(4)));
  if (cut.mode === "pass") return "";
  return cut.mode !== "value" ? String(cut.amount) : String(Number(cut.amount.toFixed(Math.max(digits, 6))));
}

const AMOUNTS = { share: ({ amount }) => `${Number((amount * 100).toFixed(1))} %`, count: ({ amount }) => `${int(amount)} records`, random: ({ amount }) => `${int(amount)} by chance`, pass: () => "all", value: ({ amount }) => `≥ ${number(amount)}` };

/** A selection in a few words: "30 % × 30 % per type, 2 an image". */
export function words(spec) {
  const side = (cuts) => { const all = [...new Set(Object.values(cuts).map((cut) => AMOUNTS[cut.mode](cut)))]; return all.length === 1 ? all[0] : all.join(" / "); };
  return [`${side(spec.question)} × ${side(spec.answer)}${spec.per_type ? " per type" : ""}`, spec.per_image ? `${spec.per_image} an image` : "", spec.per_cluster ? `${spec.per_cluster} a cluster` : "",
    spec.diverse ? `${AMOUNTS[spec.diverse.mode](spec.diverse)} of these for variety` : ""].filter(Boolean).join(", ");
}
