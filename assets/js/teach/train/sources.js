// What there is to learn from, by origin: each can be left out of a training.
import { el, emit, empty, fill, fmt } from "../../studio.js";

export class SourceTable {
  constructor(node, form) {
    Object.assign(this, { node, form });
  }

  draw(overview) {
    const { sources, kind } = overview;
    const chosen = (one) => (this.form.origins ? this.form.origins.includes(one.origin) : one.teaches);
    const take = (one, to) => {
      const now = sources.filter((other) => (other === one ? to : chosen(other))).map((other) => other.origin);
      this.form.chooseOrigins(now);
      this.draw(overview);
    };
    const word = kind === "question" ? "question sets" : "answers";
    const head = el("div", { class: "row apart" }, el("h2", { text: "What there is to learn from" }),
      el("div", { class: "seg", role: "group", "aria-label": "Ratings of" }, [[false, "This data set"], [true, "All data sets"]].map(([value, text]) => el("button", { type: "button", "aria-pressed": String(this.form.everywhere === value), text, on: { click: () => this.form.chooseEverywhere(value) } }))));
    if (!sources.length)
      return fill(this.node, head, empty({ title: `No rated ${word} yet`, text: `A scorer learns from two or more ${word} of one image, of which people liked one better. Rate some, or bring a file of ratings in in the room In and out.`, icon: "info", action: { label: "Go to Rate", run: () => emit("teach-room", "rate") } }));
    const used = sources.filter(chosen);
    const sum = (name) => used.reduce((total, one) => total + one[name], 0);
    fill(this.node, head, el("div", { class: "tune-scroll" }, el("table", { class: "table train-sources" },
      el("thead", {}, el("tr", {}, el("th", { text: "Origin" }), ["Items", "Ordered pairs", "Images", "Images at hand", "All ties"].map((text) => el("th", { class: "n", text })))),
      el("tbody", {}, sources.map((one) => this.row(one, chosen(one), take))),
      el("tfoot", {}, el("tr", {}, el("td", { text: used.length ? `${fmt.ofN(used.length, sources.length)} origins teach` : "No origin teaches" }), ["items", "pairs"].map((name) => el("td", { class: "n", text: fmt.int(sum(name)) })), el("td", { class: "small-text quiet", colSpan: 3, text: "Images and items that origins share count once in the training." }))))));
  }

  row(one, on, take) {
    const box = el("input", { type: "checkbox", checked: on, on: { change: () => take(one, box.checked) } });
    return el("tr", { class: on ? "" : "train-off" }, el("td", {}, el("label", { class: "tune-switch" }, box, el("span", { class: "record-text", text: one.label }))),
      el("td", { class: "n", text: fmt.int(one.items) }), el("td", { class: "n", text: fmt.int(one.pairs) }), el("td", { class: "n", text: fmt.int(one.images) }),
      el("td", { class: "n", text: fmt.ofN(one.with_picture, one.items), title: "Items whose picture is in this workspace" }), el("td", { class: "n", text: one.ties ? fmt.int(one.ties) : "0", title: "Items in which nothing is better than anything teach nothing" }));
  }
}
