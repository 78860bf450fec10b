// Keys of a data set: a score belongs to model, scorer, precision and image preparation, and keys are never mixed.
import { el, fill, fmt, icon } from "./studio.js";

const LABELS = { question: "Questions", answer: "Answers" };

/** Which key's scores are shown for one kind; a plain word where there is only one. */
export function keyPicker(kind, keys, chosen, choose) {
  if (!keys.length) return el("span", { class: "small-text quiet", text: `${LABELS[kind]}: not scored yet` });
  const twins = new Set(keys.map((key) => `${key.adapter} ${key.precision} ${key.quantization}`)).size < keys.length;
  const short = (key) => `${key.adapter} · ${key.precision}${key.quantization === "none" ? "" : ` ${key.quantization}`}${twins ? ` @${key.revision}` : ""}`;
  if (keys.length === 1) return el("span", { class: "small-text quiet clip key-one", title: keys[0].label, text: `${LABELS[kind]}: ${short(keys[0])}` });
  const select = el("select", { class: "select small-select", "aria-label": `Key of the ${kind} scores`, on: { change: () => choose(select.value) } },
    keys.map((key) => el("option", { value: key.digest, text: short(key), title: key.label, selected: key.digest === chosen })));
  return el("label", { class: "row nowrap key-pick" }, el("span", { class: "small-text quiet", text: LABELS[kind] }), el("span", { class: "picker" }, select, icon("down")));
}

/** The list of keys with how far each has come, and why places have no number. */
export function drawKeys(node, overview) {
  const rows = ["question", "answer"].flatMap((kind) => overview.keys[kind].map((key) => row(kind, key)));
  fill(node, el("div", { class: "row apart" }, el("h2", { text: "Scores kept, by key" }), el("p", { class: "small-text quiet", text: "Scores of different keys are never mixed in one ranking." })),
    el("table", { class: "table" }, el("thead", {}, el("tr", {}, ["Stage", "Key", "Texts scored", "Without a number"].map((name, i) => el("th", { class: i > 1 ? "n" : "", text: name })))), el("tbody", {}, rows)));
}

function row(kind, key) {
  const reasons = key.failed ? el("details", { class: "reasons" }, el("summary", { class: "num warn-text", text: fmt.ofN(key.failed, key.texts) }),
    el("ul", { class: "stack tight small-text" }, key.reasons.map((r) => el("li", { class: "record-text", text: `${fmt.int(r.count)} × ${r.reason || "no reason given"}` })))) : el("span", { class: "quiet num", text: fmt.ofN(0, key.texts) });
  return el("tr", {}, el("td", { text: LABELS[kind] }), el("td", { class: "small-text" }, key.label), el("td", { class: "n", text: fmt.ofN(key.texts, key.of) }), el("td", { class: "n" }, reasons));
}
