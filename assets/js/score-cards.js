// What a scorer tells of itself: the held-out figure on its row, and its card as a sheet.
import { el, fmt } from "./studio.js";

const FIGURES = [["scorer", "This scorer, images held out"], ["cross_validated", "This recipe, each image left out once"], ["tfidf", "TF-IDF and logistic regression"], ["length", "Longer is better"]];
const percent = (value) => `${fmt.number(100 * value, 1)} %`;
const told = (figure) => figure && typeof figure.value === "number";

/** Pair accuracy on images no training saw, as {share, text, title}; null where the scorer's figures hold none. */
export function held(card) {
  const found = card.figures.scorer;
  if (!told(found)) return null;
  const rest = told(card.figures.length) ? `; longer is better gets ${percent(card.figures.length.value)}` : "";
  return { share: percent(found.value), guess: found.low <= 0.5, text: `of ${fmt.plural(found.pairs, "held-out pair")}`, title: `Pairs on ${fmt.plural(found.images, "image")} that training never saw, put in people's order. 95 %: ${percent(found.low)} to ${percent(found.high)}${rest}` };
}

/** The card as a sheet: accuracies as bars from chance upwards, then its own words, shown as the text they are. */
export function showCard(card) {
  const rows = FIGURES.filter(([name]) => told(card.figures[name]));
  const bars = rows.map(([name, label]) => {
    const f = card.figures[name];
    return [el("span", { class: name === "scorer" ? "strong" : "", text: label }), bar(f, name === "scorer"),
      el("span", { class: "num", title: `${fmt.plural(f.pairs, "pair")}, ${fmt.plural(f.images, "image")}` }, el("b", { text: percent(f.value) }), el("span", { class: "quiet", text: ` ${percent(f.low)} to ${percent(f.high)} · ${fmt.int(f.pairs)} pairs` }))];
  });
  const dialog = el("dialog", { class: "sheet modal scorer-card", "aria-label": `Card of ${card.name}`, on: { close: () => dialog.remove(), click: (event) => { if (event.target === dialog) dialog.close(); } } },
    el("h2", { text: card.name }), el("p", { class: "quiet", text: `${card.kind_label} · ${card.base_label} · revision ${card.revision}` }),
    bars.length ? [el("h3", { text: "Pairs in people's order" }), el("div", { class: "accuracies" }, bars), el("p", { class: "small-text quiet", text: "The bar runs from 40 to 80 %; the line is chance, the pale part the 95 % interval." })] : null,
    el("pre", { class: "card-text", tabIndex: 0, text: card.card || "This scorer came without a card." }),
    el("form", { method: "dialog", class: "row end" }, el("button", { class: "btn", text: "Close" })));
  document.body.append(dialog);
  dialog.showModal();
}

const LOW = 0.4, HIGH = 0.8;
const at = (value) => `${100 * Math.min(1, Math.max(0, (value - LOW) / (HIGH - LOW)))}%`;
function bar(figure, own) {
  return el("span", { class: `accuracy ${own ? "own" : ""}`, role: "img", "aria-label": percent(figure.value) },
    el("i", { class: "range", style: { left: at(figure.low), right: `calc(100% - ${at(figure.high)})` } }), el("i", { class: "chance", style: { left: at(0.5) } }), el("i", { class: "value", style: { left: at(figure.value) } }));
}
