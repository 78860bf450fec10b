// Three records from the top, the middle and the bottom of a ranking, with picture, score and the text that was scored.
import { api, el, fill, fmt, openRecord, param, photo, setParams } from "./studio.js";

const KINDS = [["question", "Questions"], ["answer", "Answers"]];
const ENDS = [["best", "Highest"], ["middle", "Around the median"], ["worst", "Lowest"]];
const TYPES = [["", "All types"], ["conversation", "Conversation"], ["detail", "Detail"], ["complex", "Complex reasoning"]];

/** Draw the examples; `again()` asks the server anew after a change of type. While a run goes on an open choice stays as it is. */
export function drawExamples(node, examples, { again }) {
  const kind = param("score_examples") === "answer" ? "answer" : "question";
  const found = examples[kind];
  const choose = (name, value) => { setParams({ [name]: value }); name === "score_type" ? again() : drawExamples(node, examples, { again }); };
  const bar = el("div", { class: "row apart" },
    el("div", { class: "row" }, el("h2", { text: "Examples" }), el("span", { class: "small-text quiet num", text: `from ${fmt.ofN(found.scored, found.of)} scored` })),
    el("div", { class: "row" }, segment(TYPES, examples.type, (value) => choose("score_type", value), "Instruction type"), segment(KINDS, kind, (value) => choose("score_examples", value), "Stage")));
  if (!found.scored) return fill(node, bar, el("div", { class: "card" }, el("p", { class: "quiet", text: `No ${kind} scores here yet: 0 of ${fmt.int(found.of)} records.` })));
  const ids = ENDS.flatMap(([end]) => found[end].map((card) => card.id));
  fill(node, bar, el("div", { class: "examples" }, ENDS.map(([end, title]) => el("div", { class: "example-column", data: { end } }, el("h3", { text: title }),
    found[end].length ? found[end].map((card) => example(card, kind, ids)) : el("p", { class: "quiet small-text", text: "Too few records are scored." })))));
}

const segment = (options, chosen, pick, label) => el("div", { class: "seg", role: "group", "aria-label": label },
  options.map(([value, text]) => el("button", { "aria-pressed": String(value === chosen), on: { click: () => { if (value !== chosen) pick(value); } } }, text)));

function example(card, kind, ids) {
  const more = [card.turns > 1 ? (kind === "answer" ? `turn ${card.turn + 1} of ${card.turns}` : fmt.plural(card.turns, "turn")) : "", kind === "answer" && card.turn_candidates > 1 ? `candidate ${card.candidate + 1} of ${card.turn_candidates}` : ""].filter(Boolean).join(" · ");
  return el("button", { class: "example", title: "Open the whole record", data: { record: card.id }, on: { click: () => openRecord(card.id, { ids, more: scoresOf }) } },
    photo(card),
    el("span", { class: "example-body" },
      el("span", { class: "row apart nowrap" }, el("b", { class: "num example-score", title: kind === "answer" && card.turns > 1 ? `Mean over turns; this turn ${fmt.number(card.turn_score)}` : "", text: fmt.number(card.score) }), el("span", { class: `chip ${card.type}`, text: card.type_label })),
      el("span", { class: `record-text example-question ${kind === "answer" ? "short" : ""}`, dir: "auto", text: card.question || "(no question)" }),
      kind === "answer" ? el("span", { class: "record-text example-answer", dir: "auto", text: card.answer || "(empty answer)" }) : null,
      more ? el("span", { class: "small-text quiet num", text: more }) : null));
}

/** Every score of a record, by key: for the foot of the large view. */
export function scoresOf(record) {
  const node = el("section", { class: "record-scores" }, el("h3", { text: "Scores" }), el("p", { class: "quiet small-text", text: "…" }));
  api.get(`/api/scores/of/${record.id}`).then((rows) => {
    const place = (row) => (row.turn === null ? "all questions" : `turn ${row.turn + 1}, answer ${row.candidate + 1}`);
    fill(node, el("h3", { text: "Scores" }), rows.length ? el("table", { class: "table" }, el("tbody", {}, rows.map((row) => el("tr", {},
      el("td", { text: place(row) }), el("td", { class: "n strong", title: row.reason, text: row.value === null ? "none" : fmt.number(row.value, 3) }), el("td", { class: "small-text quiet", text: row.value === null ? row.reason : row.label })))))
      : el("p", { class: "quiet", text: "This record is not scored yet." }));
  }, (error) => fill(node, el("h3", { text: "Scores" }), el("p", { class: "bad-text", text: error.message })));
  return node;
}
