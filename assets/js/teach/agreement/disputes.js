// The items raters see differently: each one's scores as dots on a line, and a word that settles it.
import { api, el, empty, fill, fmt, icon, openRecord, photo, problem, tell, toast } from "../../studio.js";
import { nameProblem, raterName, rememberRater } from "../rate/rater.js";

const PAGE = 8;
const COLOURS = 6;

export class Disputes {
  constructor(node, { dataset, kind, changed }) {
    Object.assign(this, { node, dataset, kind, changed, items: [], total: 0, settling: null, show: "open" });
  }

  async load({ more = false } = {}) {
    try {
      const found = await api.get("/api/rating-agreement/items", { dataset: this.dataset, kind: this.kind, show: this.show, offset: more ? this.items.length : 0, limit: more ? PAGE : Math.max(PAGE, this.items.length) });
      this.items = more ? [...this.items, ...found.items] : found.items;
      Object.assign(this, { total: found.total, open: found.open, settled: found.settled, shared: found.shared });
      this.draw();
    } catch (error) { fill(this.node, problem(error)); }
  }

  draw() {
    if (!this.shared && !this.settled) return fill(this.node);
    const raters = [...new Set(this.items.flatMap((item) => item.words.map((word) => word.rater)))].sort();
    this.colour = new Map(raters.map((rater, i) => [rater, i % COLOURS]));
    const tabs = [["open", "Open", this.open], ["settled", "Settled", this.settled]].map(([id, label, n]) => el("button", { type: "button", "aria-pressed": String(id === this.show), on: { click: () => { Object.assign(this, { show: id, items: [], settling: null }); this.load(); } } }, label, el("span", { class: "quiet num", text: ` ${fmt.int(n)}` })));
    fill(this.node, el("div", { class: "row apart" }, el("div", { class: "row" }, el("h2", { text: "Where raters differ most" }), el("div", { class: "seg", role: "group", "aria-label": "Which items" }, tabs), el("span", { class: "small-text quiet num", text: `of ${fmt.plural(this.shared, "item")} judged by two or more` })),
      el("div", { class: "row small-text" }, raters.map((rater) => el("span", { class: "ag-legend" }, el("i", { class: `ag-dot c${this.colour.get(rater)}` }), el("span", { class: "clip", title: rater, text: rater }))), this.show === "settled" ? el("span", { class: "ag-legend" }, el("i", { class: "ag-dot settled" }), "settled") : null)),
    this.total ? null : empty(this.show === "open" ? { title: "Nothing to settle", text: this.settled ? "Every disagreement is settled." : "Every item that two raters share has the same scores.", icon: "check" } : { title: "Nothing is settled yet", text: "A settled word outranks the raters' own in everything that is taught.", icon: "info" }),
    this.items.map((item) => this.card(item)),
    this.items.length < this.total ? el("button", { class: "btn rt-center", on: { click: () => this.load({ more: true }) } }, `Show more (${fmt.ofN(this.items.length, this.total)})`) : null);
  }

  card(item) {
    const settling = this.settling?.item === item.id ? this.settling : null;
    return el("section", { class: `card ag-item ${item.settled ? "is-settled" : ""}`, data: { item: item.id } },
      el("div", { class: "ag-photo" }, photo({ key: item.image_name, image: item.image, text_only: !item.image }),
        item.record_id ? el("button", { class: "btn plain small", text: "Open the record", on: { click: () => openRecord(item.record_id) } }) : null),
      el("div", { class: "stack tight grow" },
        el("div", { class: "row apart nowrap" }, el("p", { class: "record-text strong ag-question", dir: "auto", text: item.question || "Question sets about this image" }),
          el("span", { class: "row nowrap small-text" }, item.flipped ? el("span", { class: "chip warn", title: "Candidate pairs that two raters order the other way round", text: `${fmt.plural(item.flipped, "pair")} reversed` }) : null, el("span", { class: "chip num", title: "Largest distance between two raters on one candidate", text: `${fmt.number(item.spread)} apart` }))),
        item.candidates.map((text, place) => this.line(item, place, text, settling)),
        item.words.filter((word) => word.note).map((word) => el("p", { class: "small-text" }, el("span", { class: "quiet", text: `${word.rater}: ` }), el("span", { class: "record-text", dir: "auto", text: word.note }))),
        settling ? this.settleForm(item, settling) : item.settled ? el("div", { class: "row" }, el("span", { class: "chip good", text: `Settled by ${item.settled.rater}` }), el("span", { class: "small-text quiet", text: fmt.when(item.settled.at) }), item.settled.note ? el("span", { class: "small-text record-text", dir: "auto", text: item.settled.note }) : null, el("span", { class: "grow" }),
          el("button", { class: "btn small", text: "Undo", on: { click: () => this.unsettle(item.settled.rating) } }), el("button", { class: "btn small", text: "Settle anew", on: { click: () => this.begin(item) } }))
          : el("div", { class: "row" }, el("button", { class: "btn small", on: { click: () => this.begin(item) } }, icon("check"), "Settle"))));
  }

  line(item, place, text, settling) {
    const seen = [];
    const dots = item.words.filter((word) => word.scores[place] !== null).map((word) => {
      const score = word.scores[place], at = seen.filter((other) => Math.abs(other - score) < 0.03).length;
      seen.push(score);
      return el("i", { class: `ag-dot c${this.colour.get(word.rater)}`, style: { left: `${100 * score}%`, "--up": `${at * -6}px` }, title: `${word.rater}: ${fmt.number(score)}` });
    });
    const settled = item.settled?.scores[place];
    const told = item.words.map((word) => `${word.rater} ${word.scores[place] === null ? "no score" : fmt.number(word.scores[place])}`).join(", ");
    const range = settling ? el("input", { type: "range", class: "ag-range", min: 0, max: 1, step: 0.05, value: settling.scores[place], "aria-label": `Settled score of candidate ${place + 1}`, on: { input: () => { settling.scores[place] = Number(range.value); value.textContent = fmt.number(settling.scores[place]); } } }) : null;
    const value = el("span", { class: "num ag-value", text: settling ? fmt.number(settling.scores[place]) : settled !== undefined ? fmt.number(settled) : "" });
    return el("div", { class: "ag-candidate" }, el("div", { class: "ag-text" }, el("p", { class: "record-text", dir: "auto", title: text, text }), el("span", { class: "small-text quiet clip", text: item.sources[place] || "" })),
      el("div", { class: "ag-where" }, el("div", { class: "ag-axis", role: "img", "aria-label": told + (settled !== undefined ? `; settled ${fmt.number(settled)}` : "") }, dots, settled !== undefined && !settling ? el("i", { class: "ag-dot settled", style: { left: `${100 * settled}%` }, title: `Settled: ${fmt.number(settled)}` }) : null), range), value);
  }

  begin(item) {
    const mean = item.candidates.map((_, place) => {
      const scores = item.words.map((word) => word.scores[place]).filter((score) => score !== null);
      return item.settled?.scores[place] ?? (scores.length ? Math.round((20 * scores.reduce((a, b) => a + b, 0)) / scores.length) / 20 : 0.5);
    });
    this.settling = { item: item.id, scores: mean };
    this.draw();
    this.node.querySelector(`[data-item="${item.id}"] .ag-range`)?.focus();
  }

  settleForm(item, settling) {
    const name = el("input", { class: "input ag-name-input", placeholder: "Your name", "aria-label": "Who settles", value: settling.name ?? raterName(), on: { input: () => { settling.name = name.value; } } });
    const note = el("input", { class: "input", placeholder: "Why (optional)", "aria-label": "Why", maxLength: 4000, value: settling.note ?? "", on: { input: () => { settling.note = note.value; } } });
    const go = async () => {
      const wrong = nameProblem(name.value);
      if (wrong) { toast(wrong, { kind: "bad" }); return name.focus(); }
      try {
        if (!raterName()) rememberRater(name.value.trim());
        const { rating } = await api.post("/api/rating-agreement/settle", { item: item.id, rater: name.value, scores: settling.scores, note: note.value });
        this.settling = null;
        toast("Settled: this word outranks the others", { kind: "good", action: { label: "Undo", run: () => this.unsettle(rating) } });
        await this.load();
        this.changed();
      } catch (error) { tell(error); }
    };
    for (const input of [name, note]) input.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); go(); } });
    return el("div", { class: "row nowrap ag-settle" }, name, note, el("button", { class: "btn primary", text: "Settle", on: { click: go } }), el("button", { class: "btn plain", text: "Cancel", on: { click: () => { this.settling = null; this.draw(); } } }));
  }

  async unsettle(rating) {
    try {
      await api.post("/api/rating-agreement/unsettle", { rating });
      toast("Taken back: the raters' own words count again", { seconds: 3 });
      await this.load();
      this.changed();
    } catch (error) { tell(error); }
  }
}
