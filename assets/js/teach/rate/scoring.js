// Rating by scores: one line from 0 to 1 a candidate, criteria below it when unfolded. One row at a time has the keys.
import { el, fill, fmt } from "../../studio.js";

const FOLD = "align2-rate-criteria";
const STEP = 0.05, FINE = 0.01;
const round = (value) => Math.round(Math.min(1, Math.max(0, value)) * 100) / 100;

export class Scoring {
  /** word: {scores by place, criteria {name: by place}}; changed() is called at each change. */
  constructor(node, { item, word, criteria, changed }) {
    Object.assign(this, { node, item, word, criteria, changed, at: 0 });
    word.scores ??= item.candidates.map(() => null);
    word.criteria ??= {};
    try { this.open = localStorage.getItem(FOLD) === "open"; } catch { this.open = false; }
    if (Object.keys(word.criteria).length) this.open = true;
    this.draw();
  }

  draw() {
    this.rows = [];
    const many = this.item.candidates.length > 1;
    fill(this.node, this.item.candidates.map(({ place, text }, i) => {
      const card = el("section", { class: "rt-candidate", "aria-label": `Candidate ${i + 1}` },
        el("div", { class: "row apart nowrap rt-candidate-head" }, el("h3", { text: many ? `${String.fromCharCode(65 + i)}` : "The only candidate" })),
        el("p", { class: "record-text rt-text", dir: "auto", text }));
      card.append(this.row(card, i, place, null, "Overall"));
      if (this.open) card.append(el("div", { class: "rt-criteria" }, this.criteria.map(({ name, label }) => this.row(card, i, place, name, label))));
      card.addEventListener("pointerdown", (event) => { if (!event.target.closest("input")) this.focus(this.rows.findIndex((row) => row.card === card)); });
      return card;
    }), el("button", { class: "btn plain small rt-fold", "aria-expanded": String(this.open), on: { click: () => this.fold() } }, this.open ? "Hide the criteria" : `Criteria: ${this.criteria.map((one) => one.label.toLowerCase()).join(", ")}`, el("kbd", { text: "C" })));
    this.mark();
  }

  row(card, i, place, name, label) {
    const said = () => (name ? (this.word.criteria[name]?.[place] ?? null) : this.word.scores[place]);
    const range = el("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": `Candidate ${i + 1}, ${label}` });
    const value = el("span", { class: "num rt-value" });
    const number = this.rows.length;
    const row = { card, place, name, range, draw: () => {
      const score = said();
      range.value = score ?? 0.5;
      range.classList.toggle("unset", score === null);
      range.style.setProperty("--at", `${100 * (score ?? 0)}%`);
      range.setAttribute("aria-valuetext", score === null ? "no score" : String(score));
      value.textContent = score === null ? "–" : fmt.number(score);
    } };
    range.addEventListener("input", () => this.set(Number(range.value), number));
    range.addEventListener("pointerup", () => { if (said() === null) this.set(Number(range.value), number); });
    range.addEventListener("focus", () => { this.at = number; this.mark(); });
    this.rows.push(row);
    row.draw();
    return (row.node = el("label", { class: `rt-row ${name ? "criterion" : "overall"}` }, el("span", { class: "rt-label", text: label }), range, value));
  }

  mark() {
    const now = this.rows[this.at];
    for (const row of this.rows) {
      row.node.classList.toggle("focused", row === now);
      row.card.classList.toggle("focused", row.card === now?.card);
    }
  }

  /** Give a row the keys: number, or the present one. */
  focus(number = this.at) {
    this.at = Math.min(this.rows.length - 1, Math.max(0, number));
    const { range, card } = this.rows[this.at];
    range.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
    this.mark();
  }

  set(score, number = this.at) {
    const { place, name } = this.rows[number];
    const value = score === null ? null : round(score);
    if (name) {
      const column = (this.word.criteria[name] ??= this.item.candidates.map(() => null));
      column[place] = value;
      if (column.every((one) => one === null)) delete this.word.criteria[name];
    } else this.word.scores[place] = value;
    this.rows[number].draw();
    this.changed();
  }

  step(by) {
    const { place, name } = this.rows[this.at];
    const now = name ? this.word.criteria[name]?.[place] : this.word.scores[place];
    this.set((now ?? 0.5) + by);
  }

  fold() {
    const { place, name } = this.rows[this.at];
    this.open = !this.open;
    try { localStorage.setItem(FOLD, this.open ? "open" : "closed"); } catch { /* lasts for this page */ }
    this.draw();
    const same = this.rows.findIndex((row) => row.place === place && row.name === name);
    this.focus(same >= 0 ? same : this.rows.findIndex((row) => row.place === place));
  }

  keys() {
    return [
      [["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"], "Score .1 to 1 for the row in focus", (event) => { this.set(event.key === "0" ? 1 : Number(event.key) / 10); }],
      [["ArrowDown", "j"], "Next row", () => this.focus(this.at + 1)],
      [["ArrowUp", "k"], "Row before", () => this.focus(this.at - 1)],
      [["ArrowRight", "ArrowLeft"], "Finer: .05 up or down, with Shift .01", (event) => this.step((event.key === "ArrowRight" ? 1 : -1) * (event.shiftKey ? FINE : STEP))],
      ["z", "Score 0", () => this.set(0)],
      [["Backspace", "Delete"], "No score", () => this.set(null)],
      ["c", "Show or hide the criteria", () => this.fold()],
    ];
  }

  /** What is missing before it can be sent: {text, force} (`force`: sent anyway when asked twice), null when nothing is. */
  missing() {
    const open = this.item.candidates.findIndex(({ place }) => this.word.scores[place] === null);
    if (open < 0) return null;
    this.focus(this.rows.findIndex((row) => row.place === this.item.candidates[open].place && !row.name));
    const given = this.word.scores.filter((score) => score !== null).length;
    return { text: given ? `${given} of ${this.word.scores.length} candidates have a score.` : "No candidate has a score yet: press 1 to 9 or 0, or S to skip.", force: given > 0 };
  }

  empty() { return this.word.scores.every((score) => score === null) && !Object.keys(this.word.criteria).length; }
  body() { return { scores: this.word.scores, criteria: this.word.criteria }; }
}
