// Ratings on their way out: consensus or each rater, with or without people's own acts, and what each format's file will hold.
import { api, el, fill, fmt, icon, problem, url } from "../../studio.js";

const wish = { voice: "consensus", acts: false };
let asked = 0;

export function takeOut(node, { scope, acts, known }) {
  if (!known) return fill(node, el("h2", { text: "Take ratings out" }), el("p", { class: "quiet small-text", text: "Nothing to write yet. Ratings leave as rated lists, LLaVA-RLHF rows or TRL chosen / rejected, each line with who said it and when." }));
  const list = el("div", { class: "stack tight" });
  const again = () => load(list, scope());
  const voice = (id, text) => el("button", { type: "button", "aria-pressed": String(wish.voice === id), text, on: { click: () => { wish.voice = id; takeOut(node, { scope, acts, known }); } } });
  const withActs = el("input", { type: "checkbox", checked: wish.acts && acts, disabled: !acts, on: { change: () => { wish.acts = withActs.checked; again(); } } });
  fill(node, el("h2", { text: "Take ratings out" }),
    el("div", { class: "seg small xc-halves", role: "group", "aria-label": "Whose word" }, voice("consensus", "Consensus"), voice("each", "Each rater")),
    el("label", { class: "row nowrap xc-check" }, withActs, el("span", { class: `small-text ${acts ? "" : "quiet"}`, text: acts ? "with your own edits, verdicts and choices" : "no edits, verdicts or choices of your own yet" })),
    list);
  again();
}

async function load(list, dataset) {
  const turn = ++asked;
  const query = { dataset, voice: wish.voice, acts: wish.acts };
  try {
    const found = await api.get("/api/rating_exchange/contents", query);
    if (turn === asked) fill(list, found.map((one) => row(one, query)));
  } catch (error) {
    if (turn === asked) fill(list, problem(error));
  }
}

function row(one, query) {
  const dropped = one.dropped_ties ? `${fmt.plural(one.dropped_ties, "tie")} can't be held${one.dropped_items ? `, ${fmt.plural(one.dropped_items, "item")} with them` : ""}` : one.ties ? `${fmt.plural(one.ties, "tie")} kept` : "";
  return el("div", { class: "xc-out" },
    el("div", { class: "grow" }, el("div", { class: "strong", text: one.label }),
      el("div", { class: "small-text quiet num", text: `${fmt.plural(one.lines, "line")} · ${fmt.plural(one.pairs, "pair")}` }),
      dropped ? el("div", { class: `small-text ${one.dropped_ties ? "warn-text" : "quiet"}`, text: dropped }) : null),
    one.lines ? el("a", { class: "btn small", href: url(`/api/rating_exchange/file/${one.format}`, query), download: "", "aria-label": `Download ${one.label}`, title: `.${one.ending}` }, icon("down"), `${fmt.bytes(one.bytes)}`) : el("span", { class: "quiet small-text", text: "empty" }));
}
