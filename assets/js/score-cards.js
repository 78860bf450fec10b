// What a scorer tells of itself: the held-out figure on its row, and its card as a sheet.
import { el, fmt } from "./studio.js";

/** Accuracy on pairs no training saw, as {share, text, title}; null where the scorer's figures hold none. */
export function held(card) {
  const found = card.figures.held_out ?? card.figures;
  const accuracy = found.accuracy ?? found.pair_accuracy;
  if (typeof accuracy !== "number") return null;
  const pairs = found.pairs ?? found.held_out_pairs;
  const interval = found.interval ?? found.confidence ?? null;
  const range = Array.isArray(interval) ? ` (95 %: ${fmt.number(100 * interval[0], 1)}–${fmt.number(100 * interval[1], 1)} %)` : "";
  return { share: `${fmt.number(100 * accuracy, 1)} %`, text: `of ${pairs ? fmt.int(pairs) : "the"} held-out pairs`, title: `Pairs of images that training never saw, ordered as people did${range}` };
}

/** The card's own words as a sheet, shown as the text it is. */
export function showCard(card) {
  const dialog = el("dialog", { class: "sheet modal scorer-card", "aria-label": `Card of ${card.name}`, on: { close: () => dialog.remove(), click: (event) => { if (event.target === dialog) dialog.close(); } } },
    el("h2", { text: card.name }), el("p", { class: "quiet", text: `${card.kind_label} · ${card.base_label} · revision ${card.revision}` }),
    el("pre", { class: "card-text", tabIndex: 0, text: card.card || "This scorer came without a card." }),
    el("form", { method: "dialog", class: "row end" }, el("button", { class: "btn", text: "Close" })));
  document.body.append(dialog);
  dialog.showModal();
}
