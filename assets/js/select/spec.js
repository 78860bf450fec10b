// Changes to a selection as values: a new cut, another way to say the same cut, per type or together. Pure.
import { ALL, TYPES, groupsOf } from "./cascade.js";

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

/** A cut said another way, letting the same records through. line: {members, passed, lowest, next} of the cascade. */
export function inMode(cut, mode, line, digits) {
  if (cut.mode === mode) return cut;
  if (mode === "count") return { mode, amount: line.passed };
  if (mode === "share") return { mode, amount: exactShare(line.passed, line.members) };
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

/** A short number between the lowest score that passes and the highest that doesn't. */
export function valueOf({ lowest, next }, digits) {
  if (lowest === null) return next === null ? 0 : next + 10 ** -digits;
  for (let d = digits; d <= 9; d++) {
    const value = Math.ceil(((next === null ? lowest - 10 ** -d : next) + 1e-12) * 10 ** d) / 10 ** d;
    if (Math.fround(value) <= lowest && (next === null || Math.fround(value) > next)) return rounded(value, d);
  }
  return lowest;
}

/** One cut for all types → one a type, keeping what the words mean: shares and values stay, counts are split as they fall now. */
export function perType(spec, byType) {
  if (spec.per_type) return spec;
  const split = (stage) => Object.fromEntries(TYPES.map((type) => {
    const cut = spec[stage][ALL];
    return [type, cut.mode === "count" ? { mode: "count", amount: byType[type][stage] } : cut];
  }));
  return { ...spec, per_type: true, question: split("question"), answer: split("answer") };
}

/** One cut a type → one for all: equal ones stay, counts add up, anything else becomes the share that passes now. */
export function together(spec, lines) {
  if (!spec.per_type) return spec;
  const joined = (stage) => {
    const cuts = TYPES.map((type) => spec[stage][type]);
    const total = (name) => TYPES.reduce((sum, type) => sum + lines[stage][type][name], 0);
    if (cuts.every((cut) => cut.mode === "count")) return { [ALL]: { mode: "count", amount: total("passed") } };
    if (cuts.every((cut) => same(cut, cuts[0]))) return { [ALL]: cuts[0] };
    return { [ALL]: { mode: "share", amount: exactShare(total("passed"), total("members")) } };
  };
  return { ...spec, per_type: false, question: joined("question"), answer: joined("answer") };
}

/** Read what a person typed into a cut's field. → {cut} or {problem, hint}. Percent in share mode; a decimal comma is fine. */
export function readAmount(text, mode) {
  const bare = text.trim().replace(/\s|%/g, "").replace("−", "-");
  const plain = mode === "count" ? bare.replace(/,(?=\d{3}(\D|$))/g, "") : bare.replace(/^([+-]?\d*),(\d+)$/, "$1.$2");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return { problem: `“${text.trim().slice(0, 30)}” is no number`, hint: mode === "share" ? "Type a percentage such as 30." : mode === "count" ? "Type a whole number such as 500." : "Type a score such as 0.25." };
  const value = Number(plain);
  if (!Number.isFinite(value) || Math.abs(value) > LARGEST) return { problem: "That number is too large", hint: `Stay below ${LARGEST.toLocaleString("en-GB")}.` };
  if (mode === "share") {
    if (value < 0 || value > 100) return { problem: `${plain} % is outside 0 to 100`, hint: "30 keeps the best 30 %." };
    return { cut: { mode, amount: Number((value / 100).toFixed(8)) } };
  }
  if (mode === "count" && (value < 0 || !Number.isInteger(value))) return { problem: `${plain} is no number of records`, hint: "Use a whole number, 0 or more." };
  return { cut: { mode, amount: value } };
}

/** A cut's amount as its field shows it. */
export function amountText(cut, digits) {
  if (cut.mode === "share") return String(Number((cut.amount * 100).toFixed(4)));
  return cut.mode === "count" ? String(cut.amount) : String(Number(cut.amount.toFixed(Math.max(digits, 6))));
}
