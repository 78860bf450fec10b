// Base and tuned model side by side: the same question about the same image.
import { api, debounce, el, fill, fmt, icon, photo, problem, studio, tell } from "../studio.js";

const POLL_MS = 400;
const EARLIER = 5;

export class AskPanel {
  constructor(node) {
    Object.assign(this, { node, asked: 0, looked: 0, record: null, run: null, drawnFor: null });
    this.picture = el("div", { class: "tune-picture" });
    this.place = el("span", { class: "small-text quiet num" });
    this.out = el("div", { class: "cols-2 tune-answers", "aria-live": "polite" });
    this.before = el("div", { class: "tune-before-asked", hidden: true });
    this.search = el("input", { class: "input", type: "search", maxLength: 200, placeholder: "Find a record", "aria-label": "Find a record", on: { input: debounce(() => { this.offset = 0; this.turn(0); }, 250) } });
  }

  draw(rows) {
    const finished = rows.filter((row) => row.state === "done");
    const signature = `${studio.dataset?.id}:${finished.map((row) => row.id).join()}`;
    if (signature === this.drawnFor) return;
    this.drawnFor = signature;
    if (!finished.length) return fill(this.node);
    this.run = finished[0].id;
    this.question ??= el("textarea", { class: "input", rows: 2, maxLength: 4000, "aria-label": "Question", placeholder: "Ask both models the same question", on: { keydown: (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.ask(); } } } });
    this.button ??= el("button", { class: "btn primary", on: { click: () => this.ask() } }, "Ask both", el("kbd", { text: "Ctrl ↵" }));
    const choice = el("select", { class: "select", "aria-label": "Tuned model", on: { change: () => { this.run = choice.value; } } }, finished.map((row) => el("option", { value: row.id, text: row.name })));
    const step = (by, label, name) => el("button", { class: "icon-btn", "aria-label": label, title: label, on: { click: () => this.turn(by) } }, icon(name));
    fill(this.node, el("section", { class: "card stack" },
      el("div", { class: "row apart" }, el("h2", { text: "Ask base and tuned" }), el("span", { class: "picker" }, choice, icon("down"))),
      el("div", { class: "tune-ask" }, el("div", { class: "stack tight" }, el("div", { class: "search" }, icon("search"), this.search), this.picture, el("div", { class: "row apart nowrap" }, step(-1, "Previous record", "left"), this.place, step(1, "Next record", "right"))),
        el("div", { class: "stack tight" }, this.question, el("div", { class: "row apart" }, el("span", { class: "small-text quiet", text: "Greedy decoding: the same question gives the same answers." }), this.button), this.out)),
      this.before));
    this.offset ??= 0;
    this.turn(0);
    this.drawBefore();
  }

  /** The record `by` places on, among those the search finds. */
  async turn(by) {
    const turn = ++this.looked;
    const text = this.search.value;
    const read = (offset) => api.get("/api/records", { dataset: studio.dataset.id, text, offset, limit: 1 });
    let page;
    try {
      page = await read(Math.max(0, this.offset + by));
      if (page.total && !page.records.length) page = await read(0);
      else if (this.offset + by < 0 && page.total > 1) page = await read(page.total - 1);
    } catch (error) { return fill(this.picture, problem(error)); }
    if (turn !== this.looked) return;
    this.offset = page.offset;
    this.record = page.records[0] ?? null;
    fill(this.place, page.total ? fmt.ofN(page.offset + 1, page.total) : "no record");
    if (!this.record) return fill(this.picture, el("p", { class: "quiet small-text", text: "No record has these words." }));
    fill(this.picture, photo(this.record), el("span", { class: "small-text quiet clip", text: this.record.key }));
    this.question.value = this.record.question;
    fill(this.out);
  }

  /** What was asked earlier, from the store: it outlives the page. */
  async drawBefore() {
    let rows;
    try { rows = await api.get("/api/runs/asked"); } catch (error) { return tell(error); }
    rows = rows.filter((row) => row.state === "done" && row.dataset_id === studio.dataset?.id && row.result.tuned !== null).slice(0, EARLIER);
    this.before.hidden = !rows.length;
    const cell = (title, text) => el("div", {}, el("h4", { text: title }), el("p", { class: "record-text", dir: "auto", text: text || "(no words)" }));
    fill(this.before, el("h3", { text: "Asked before" }), rows.map((row) => el("div", { class: "tune-asked" },
      row.image ? el("div", { class: "photo" }, el("img", { src: `/media/thumb/${row.image}`, alt: "" })) : el("span", { class: "quiet", text: "text" }),
      cell(`Question to ${row.run}`, row.question), cell("Base", row.result.base), cell("Tuned", row.result.tuned))));
  }

  async ask() {
    const turn = ++this.asked, started = Date.now();
    this.button.disabled = true;
    const wait = el("p", { class: "quiet measuring", text: "Waiting for the model …" });
    fill(this.out, wait);
    try {
      const job = await api.post("/api/runs/ask", { run: this.run, record_id: this.record?.id ?? null, question: this.question.value });
      let state;
      while ((state = await api.get(`/api/jobs/${job.id}`)).active) {
        if (turn !== this.asked) return;
        wait.textContent = `${state.stage || "Waiting for the model"} … ${fmt.duration((Date.now() - started) / 1000)}`;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      if (turn !== this.asked) return;
      if (state.state !== "done") return fill(this.out, problem({ message: state.error || "The question was stopped.", hint: state.hint }));
      this.drawBefore();
      const side = (title, text, seconds) => el("div", { class: "tune-side" }, el("h3", { text: title }), el("p", { class: "record-text", dir: "auto", text: text || "(no words)" }), el("span", { class: "small-text quiet num", text: `${fmt.number(seconds, 1)} s` }));
      fill(this.out, side("Base", state.result.base, state.result.seconds.base), side("Tuned", state.result.tuned, state.result.seconds.tuned));
    } catch (error) {
      if (turn === this.asked) fill(this.out, problem(error));
    } finally { if (turn === this.asked) this.button.disabled = false; }
  }
}
