// Records that rise and fall most in rank from the present scorer to the candidate, with photo and text.
import { api, el, fill, fmt, openRecord, photo, problem } from "../../studio.js";
import { scoresOf } from "../../score-examples.js";

const PAGE = 3, MOST = 48;
const COLUMNS = [["second", "Rise under B"], ["first", "Fall under B"]];

export class Movers {
  constructor() {
    this.node = el("section", { class: "card stack tight tr-movers", "aria-label": "Rises and falls" });
    this.body = el("div", { class: "cols-2" });
    this.asked = 0;
  }

  draw(report, dataset) {
    Object.assign(this, { report, dataset, shown: { first: PAGE, second: PAGE } });
    const { ranks } = report;
    fill(this.node, el("h2", { text: "Who rises, who falls" }),
      el("p", { class: "small-text quiet num", text: `${ranks.spearman === null ? ranks.reason : `Rank correlation ${fmt.number(ranks.spearman, 3)} over ${fmt.plural(ranks.shared, "record")}; median move ${fmt.number(ranks.median_move, 1)} percentiles, largest ${fmt.number(ranks.largest_move, 0)}.`} Raw scores of two scorers have no common scale, so ranks are compared: 100 % is the best record.` }), this.body);
    fill(this.body, COLUMNS.map(() => el("div", { class: "skeleton tr-waiting" })));
    this.load();
  }

  async load() {
    const turn = ++this.asked, { report } = this;
    try {
      const pages = await Promise.all(COLUMNS.map(([toward]) => api.get("/api/agreement/records", { dataset: this.dataset, kind: report.kind, first: report.present.key, second: report.candidate.key, toward, limit: this.shown[toward] })));
      if (turn === this.asked) fill(this.body, pages.map((page, i) => this.column(page, ...COLUMNS[i])));
    } catch (error) {
      if (turn === this.asked) fill(this.body, problem(error));
    }
  }

  column(page, toward, title) {
    const ids = page.cards.map((card) => card.id);
    const more = Math.min(2 * PAGE, page.total - page.cards.length);
    return el("div", { class: "stack tight", data: { toward } }, el("div", { class: "row apart" }, el("h3", { text: title }), el("span", { class: "small-text quiet num", text: `${fmt.ofN(page.total, page.of)} records` })),
      page.cards.length ? page.cards.map((card) => this.card(card, ids)) : el("p", { class: "quiet small-text", text: "No record." }),
      more > 0 && this.shown[toward] < MOST ? el("button", { class: "btn small more", text: `Show ${fmt.int(more)} more`, on: { click: () => { this.shown[toward] = Math.min(MOST, this.shown[toward] + 2 * PAGE); this.load(); } } }) : null);
  }

  card(card, ids) {
    const rank = (letter, side) => el("span", { class: "row nowrap" }, el("span", { class: `key-letter ${side}`, text: letter }), el("b", { class: "num", text: `${fmt.number(card[`${side}_percentile`], 0)} %` }));
    const [low, high] = [card.first_percentile, card.second_percentile].sort((x, y) => x - y);
    return el("button", { class: "example disagreement", title: "Open the whole record", data: { record: card.id }, on: { click: () => openRecord(card.id, { ids, more: scoresOf }) } }, photo(card),
      el("span", { class: "example-body" },
        el("span", { class: "row apart nowrap both" }, el("span", { class: "row both-scores" }, rank("A", "first"), rank("B", "second")), el("span", { class: `chip ${card.type}`, text: card.type_label })),
        el("span", { class: "move", role: "img", "aria-label": `from rank ${fmt.number(card.first_percentile, 0)} % to ${fmt.number(card.second_percentile, 0)} %` },
          el("i", { class: "span", style: { left: `${low}%`, width: `${high - low}%` } }), ["first", "second"].map((side) => el("i", { class: side, style: { left: `${card[`${side}_percentile`]}%` } }))),
        el("span", { class: `record-text example-question ${this.report.kind === "answer" ? "short" : ""}`, dir: "auto", text: card.question || "(no question)" }),
        this.report.kind === "answer" ? el("span", { class: "record-text example-answer", dir: "auto", text: card.answer || "(empty answer)" }) : null));
  }
}
