// Rating by pairs: two texts side by side, left, right or equal, until the order is known. Also "which one invents less".
import { el, fill, fmt } from "../../studio.js";
import { nextPair, orderOf, scoresOf } from "./tournament.js";

export const MOST = 8;

export class Pairing {
  /** word: {answers: [{a, b, said}]}; a word that was sent before comes with its scores instead. */
  constructor(node, { item, word, changed, hallucination = false }) {
    Object.assign(this, { node, item, word, changed, hallucination });
    this.places = item.candidates.map((one) => one.place);
    if (!word.answers?.length && word.scores?.some((score) => score !== null)) word.given = orderOf(this.places, word.scores);
    word.answers ??= [];
    this.draw();
  }

  get state() { return this.word.given ? { order: this.word.given, left: 0 } : nextPair(this.places, this.word.answers); }
  text(place) { return this.item.candidates.find((one) => one.place === place).text; }
  letter(place) { return String.fromCharCode(65 + this.places.indexOf(place)); }

  draw() {
    const { pair, order, left } = this.state, asked = this.word.answers.length;
    if (this.places.length < 2) return fill(this.node, el("p", { class: "quiet", text: "A single candidate can't be compared. Score it, or skip it." }));
    if (pair) return this.ask(pair, `Question ${asked + 1}, ${left > 1 ? `about ${left} to go` : "the last one"}`);
    if (this.places.length === 2) return this.ask(this.places, order.length === 1 ? "Equal. Enter sends it." : "Enter sends it.", order);
    const scores = scoresOf(order);
    fill(this.node, el("p", { class: "strong", text: asked ? `The order is known after ${fmt.plural(asked, "question")}. Enter sends it.` : "This is the order you gave before. Enter sends it." }),
      el("ol", { class: "stack tight" }, order.map((group, i) => group.map((place) => el("li", { class: "rt-candidate rt-ranked" }, el("span", { class: "rt-rank num", text: `${1 + order.slice(0, i).flat().length}${group.length > 1 ? "=" : ""}` }),
        el("div", { class: "grow" }, el("p", { class: "record-text rt-text", dir: "auto", text: this.text(place) })), el("span", { class: "num quiet small-text", text: fmt.number(scores[place]) }))))),
      el("button", { class: "btn small", on: { click: () => this.back() } }, asked ? "Take back the last answer" : "Compare again", el("kbd", { text: "⌫" })));
  }

  ask(pair, where, order = null) {
    const chosen = order ? (order.length === 1 ? "tie" : order[0].includes(pair[0]) ? "left" : "right") : "";
    const side = (place, said, key) => el("button", { class: `rt-side ${chosen === said ? "chosen" : ""}`, "aria-pressed": String(chosen === said), on: { click: () => this.say(said) } },
      el("span", { class: "row apart nowrap" }, el("kbd", { text: key }), chosen === said ? el("span", { class: "chip good", text: this.hallucination ? "invents less" : "better" }) : null), el("span", { class: "record-text rt-text", dir: "auto", text: this.text(place) }));
    fill(this.node, el("div", { class: "row apart" }, el("h3", { text: this.hallucination ? "Which one invents less?" : "Which one is better?" }), el("span", { class: "small-text quiet num", text: where })),
      el("div", { class: "rt-sides" }, side(pair[0], "left", "←"), side(pair[1], "right", "→")),
      el("div", { class: "row" }, el("button", { class: `btn small ${chosen === "tie" ? "primary" : ""}`, "aria-pressed": String(chosen === "tie"), on: { click: () => this.say("tie") } }, "Equal", el("kbd", { text: "↓" })),
        this.word.answers.length || this.word.given ? el("button", { class: "btn small plain", on: { click: () => this.back() } }, "Take back", el("kbd", { text: "⌫" })) : null));
  }

  say(said) {
    const two = this.places.length === 2;
    if (two) { this.word.answers = []; delete this.word.given; }
    const { pair } = this.state;
    if (!pair) return;
    this.word.answers.push({ a: pair[0], b: pair[1], said });
    this.draw();
    this.changed();
  }

  back() {
    if (this.word.given) delete this.word.given;
    else if (!this.word.answers.pop()) return;
    this.draw();
    this.changed();
  }

  focus() { document.activeElement?.blur?.(); }

  keys() {
    const less = this.hallucination ? "invents less" : "is better";
    return [
      [["ArrowLeft", "h"], `The left one ${less}`, () => this.say("left")],
      [["ArrowRight", "l"], `The right one ${less}`, () => this.say("right")],
      [["ArrowDown", "="], "Both are equal", () => this.say("tie")],
      ["Backspace", "Take back the last answer", () => this.back()],
    ];
  }

  missing() { return this.state.order && this.places.length > 1 ? null : { text: this.places.length < 2 ? "A single candidate can't be compared: score it, or press S to skip." : "The order is not known yet: press ←, → or ↓.", force: false }; }
  empty() { return !this.word.answers.length; }
  body() { return { order: this.state.order }; }
}
