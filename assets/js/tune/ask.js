// Base and tuned model side by side: the same question about the same image.
import { api, el, fill, fmt, icon, photo, problem, studio } from "../studio.js";

const POLL_MS = 400;

export class AskPanel {
  constructor(node) {
    Object.assign(this, { node, asked: 0, record: null, run: null, drawnFor: null });
    this.picture = el("div", { class: "tune-picture" });
    this.out = el("div", { class: "cols-2 tune-answers", "aria-live": "polite" });
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
      el("div", { class: "tune-ask" }, el("div", { class: "stack tight" }, this.picture, el("div", { class: "row apart nowrap" }, step(-1, "Previous record", "left"), step(1, "Next record", "right"))),
        el("div", { class: "stack tight" }, this.question, el("div", { class: "row apart" }, el("span", { class: "small-text quiet", text: "Greedy decoding: the same question gives the same answers." }), this.button), this.out))));
    this.offset ??= 0;
    this.turn(0);
  }

  async turn(by) {
    const total = studio.dataset?.record_count ?? 0;
    if (!total) return;
    this.offset = (this.offset + by + total) % total;
    try {
      const page = await api.get("/api/records", { dataset: studio.dataset.id, offset: this.offset, limit: 1 });
      this.record = page.records[0] ?? null;
    } catch (error) { return fill(this.picture, problem(error)); }
    if (!this.record) return;
    fill(this.picture, photo(this.record), el("span", { class: "small-text quiet clip", text: this.record.key }));
    this.question.value = this.record.question;
    fill(this.out);
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
      const side = (title, text, seconds) => el("div", { class: "tune-side" }, el("h3", { text: title }), el("p", { class: "record-text", dir: "auto", text: text || "(no words)" }), el("span", { class: "small-text quiet num", text: `${fmt.number(seconds, 1)} s` }));
      fill(this.out, side("Base", state.result.base, state.result.seconds.base), side("Tuned", state.result.tuned, state.result.seconds.tuned));
    } catch (error) {
      if (turn === this.asked) fill(this.out, problem(error));
    } finally { if (turn === this.asked) this.button.disabled = false; }
  }
}
