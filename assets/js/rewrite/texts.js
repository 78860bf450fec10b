// Pieces that show a rewrite: the two sides of a word diff, guard chips, style, review. Texts go in as text only.
import { el, fmt } from "../studio.js";

/** One side of spans [[op, text], …]: "removed" marks the left, "added" the right one. */
export function side(spans, which) {
  const other = which === "removed" ? "added" : "removed";
  return el("p", { class: "record-text rw-text", dir: "auto" }, spans.filter(([op]) => op !== other)
    .map(([op, text]) => (op === "same" ? text : el(which === "removed" ? "del" : "ins", { text }))));
}

/** Guards as chips: red ones first and open, green ones after. */
export function guardChips(guards) {
  if (!guards.length) return el("p", { class: "quiet small-text", text: "No guard ran: the text was not sent to the model." });
  const sorted = [...guards].sort((a, b) => Number(a.passed) - Number(b.passed));
  return el("ul", { class: "rw-guards", "aria-label": `Guards: ${guards.filter((g) => g.passed).length} of ${guards.length} green` },
    sorted.map((guard) => el("li", { class: `chip ${guard.passed ? "good" : "bad"}`, title: guard.detail || (guard.passed ? "kept" : ""), tabIndex: guard.passed ? -1 : 0 },
      guard.name, guard.passed ? null : el("span", { class: "rw-why", text: guard.detail }))));
}

/** "3.93 → 3.70 nats a token" with the direction in words. */
export function styleLine(before, after) {
  if (before === null || before === undefined) return el("span", { class: "quiet", text: "style not measured" });
  const gain = after === null || after === undefined ? null : before - after;
  return el("span", { class: "num", title: "Mean loss under the inner LLM in nats a token: lower is closer to how it writes itself." }, "Style ", fmt.number(before),
    gain === null ? "" : [" → ", el("b", { class: gain > 0 ? "good-text" : gain < 0 ? "bad-text" : "", text: fmt.number(after) }), el("span", { class: "quiet", text: ` nats a token${gain > 0 ? ", closer" : gain < 0 ? ", further off" : ""}` })]);
}

/** What the review said: by how much, and whether it only followed the position. */
export function reviewLine(review) {
  if (review?.margin === undefined) return null;
  const [second, first] = review.by_position ?? [0, 0];
  const wavers = second * first < 0;
  return el("span", { class: "num", title: `Shown both, by how many nats a token the model would rather write down the rewrite: ${fmt.number(second)} shown second, ${fmt.number(first)} shown first. Their mean counts.` },
    "Review ", el("b", { class: review.margin > 0 ? "good-text" : "bad-text", text: `${review.margin > 0 ? "+" : ""}${fmt.number(review.margin)}` }),
    el("span", { class: "quiet", text: review.margin > 0 ? " for the rewrite" : " for the original" }), wavers ? el("span", { class: "quiet", text: ", follows the position" }) : null);
}

export const originChip = (label, kept) => (label ? el("span", { class: `chip ${kept ? "" : "accent"}`, title: "Where the text on the right comes from" }, label) : null);
