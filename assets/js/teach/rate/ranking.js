// Rating by order: drag, or move by keys; candidates can share a place.
import { el, fill, fmt } from "../../studio.js";
import { orderOf, scoresOf } from "./tournament.js";

export class Ranking {
  /** word: {order: groups of places, best first; touched}. */
  constructor(node, { item, word, changed }) {
    Object.assign(this, { node, item, word, changed, at: 0 });
    const places = item.candidates.map((one) => one.place);
    if (!word.order) {
      const scored = word.scores?.some((score) => score !== null);
      word.order = scored ? orderOf(places, word.scores) : places.map((place) => [place]);
      word.touched = Boolean(scored);
    }
    this.draw();
  }

  get flat() { return this.word.order.flat(); }

  draw() {
    const scores = scoresOf(this.word.order), flat = this.flat;
    this.cards = flat.map((place, i) => {
      const group = this.word.order.findIndex((one) => one.includes(place));
      const tied = this.word.order[group].length > 1, joined = tied && this.word.order[group][0] !== place;
      const letter = String.fromCharCode(65 + this.item.candidates.findIndex((one) => one.place === place));
      const rank = 1 + this.word.order.slice(0, group).flat().length;
      return el("section", { class: `rt-candidate rt-ranked ${joined ? "joined" : ""}`, tabindex: 0, draggable: true, data: { place }, "aria-label": `Rank ${rank}${tied ? ", shared" : ""}: candidate ${letter}`,
        on: { focus: () => this.mark(i), dragstart: (event) => { event.dataTransfer.setData("text/plain", String(place)); event.dataTransfer.effectAllowed = "move"; this.dragged = place; },
          dragover: (event) => { event.preventDefault(); this.hint(event.currentTarget, event); }, dragleave: (event) => event.currentTarget.classList.remove("above", "below"),
          drop: (event) => this.drop(event, place) } },
      el("span", { class: "rt-rank num", text: tied ? `${rank}=` : rank }), el("div", { class: "grow" }, el("div", { class: "row apart nowrap" }, el("h3", { text: letter }), el("span", { class: "num quiet small-text", title: "The score this place stores", text: fmt.number(scores[place]) })),
        el("p", { class: "record-text rt-text", dir: "auto", text: this.item.candidates.find((one) => one.place === place).text })), el("span", { class: "rt-grip", "aria-hidden": "true", text: "⠿" }));
    });
    fill(this.node, this.cards);
    this.mark(Math.min(this.at, this.cards.length - 1));
  }

  hint(card, event) {
    const { top, height } = card.getBoundingClientRect(), lower = event.clientY > top + height / 2;
    card.classList.toggle("below", lower);
    card.classList.toggle("above", !lower);
  }

  drop(event, target) {
    event.preventDefault();
    const below = event.currentTarget.classList.contains("below");
    if (this.dragged === undefined || this.dragged === target) return this.draw();
    const groups = this.word.order.map((group) => group.filter((place) => place !== this.dragged)).filter((group) => group.length);
    const at = groups.findIndex((group) => group.includes(target));
    groups.splice(below ? at + 1 : at, 0, [this.dragged]);
    this.take(groups, this.dragged);
  }

  take(groups, place) {
    this.word.order = groups;
    this.word.touched = true;
    this.at = this.flat.indexOf(place);
    this.draw();
    this.focus();
    this.changed();
  }

  move(by) {
    const flat = this.flat, to = this.at + by;
    if (to < 0 || to >= flat.length) return;
    const place = flat[this.at];
    const groups = this.word.order.map((group) => [...group]), mine = groups.findIndex((group) => group.includes(place));
    if (groups[mine].length > 1) { // leave the shared place, upwards or downwards
      groups[mine] = groups[mine].filter((one) => one !== place);
      groups.splice(by < 0 ? mine : mine + 1, 0, [place]);
    } else {
      const [group] = groups.splice(mine, 1);
      groups.splice(mine + by, 0, group);
    }
    this.take(groups, place);
  }

  tie() {
    const place = this.flat[this.at], groups = this.word.order.map((group) => [...group]), mine = groups.findIndex((group) => group.includes(place));
    if (groups[mine].length > 1) {
      groups[mine] = groups[mine].filter((one) => one !== place);
      groups.splice(mine + 1, 0, [place]);
    } else if (mine > 0) {
      groups[mine - 1].push(place);
      groups.splice(mine, 1);
    } else return;
    this.take(groups, place);
  }

  mark(i) {
    this.at = Math.max(0, i);
    this.cards.forEach((card, number) => card.classList.toggle("focused", number === this.at));
  }

  focus(i = this.at) {
    this.mark(Math.min(this.cards.length - 1, Math.max(0, i)));
    this.cards[this.at]?.focus({ preventScroll: true });
    this.cards[this.at]?.scrollIntoView({ block: "nearest" });
  }

  keys() {
    return [
      [["ArrowDown", "j"], "Next candidate; with Shift: move it down", (event) => (event.shiftKey ? this.move(1) : this.focus(this.at + 1))],
      [["ArrowUp", "k"], "Candidate before; with Shift: move it up", (event) => (event.shiftKey ? this.move(-1) : this.focus(this.at - 1))],
      ["J", "Move it down", () => this.move(1)],
      ["K", "Move it up", () => this.move(-1)],
      [["=", "t"], "Share the place of the one above, or leave it", () => this.tie()],
    ];
  }

  missing() { return this.word.touched || this.item.candidates.length === 1 ? null : { text: "This is the mixed order you were given.", force: true }; }
  empty() { return !this.word.touched; }
  body() { return { order: this.word.order }; }
}
