// The live box: any text, rewritten by an urgent job that slips in between the batches of a long run.
import { api, el, fill, fmt, icon, problem } from "../studio.js";
import { guardChips, originChip, reviewLine, side, styleLine } from "./texts.js";

const POLL_MS = 300;
const EXAMPLES = [["answer", "It should be noted that the grey cat is sitting on the chair; it isn't looking at the dog."], ["question", "Could you tell me what is the colour of the car that stands beside the house?"], ["answer", "There are two dogs in this picture, and both of them are brown."]];
const SAVED = "align2-rewrite-try";

export class LiveBox {
  constructor(node) {
    Object.assign(this, { node, asked: 0, drawn: false });
  }

  draw(overview) {
    this.overview = overview;
    if (this.drawn) return;
    this.drawn = true;
    let kept = {};
    try { kept = JSON.parse(localStorage.getItem(SAVED) ?? "{}"); } catch { /* nothing kept */ }
    this.part = kept.part === "question" ? "question" : "answer";
    this.area = el("textarea", { class: "input rw-area", rows: 4, value: kept.text ?? "", placeholder: "Type or paste a question or an answer in English", "aria-label": "Text to rewrite", maxLength: 20000,
      on: { input: () => this.save(), keydown: (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.run(); } } } });
    this.seg = el("div", { class: "seg", role: "group", "aria-label": "What the text is" });
    this.button = el("button", { class: "btn primary", on: { click: () => this.run() } }, "Rewrite", el("kbd", { text: "Ctrl ↵" }));
    this.out = el("div", { class: "stack", "aria-live": "polite" });
    const tries = EXAMPLES.map(([part, text]) => el("button", { class: "btn small plain rw-example", title: text, on: { click: () => { this.part = part; this.area.value = text; this.save(); this.drawSeg(); this.run(); } } }, text));
    fill(this.node, el("section", { class: "card stack" }, el("div", { class: "row apart" }, el("h2", { text: "Try any text" }), this.seg), this.area, el("div", { class: "row apart" }, el("span", { class: "small-text quiet", text: "Nothing is stored. While a run is at work, this waits for its present batch." }), this.button),
      el("div", { class: "stack tight" }, el("span", { class: "small-text quiet", text: "Or one of these:" }), tries)), this.out);
    this.drawSeg();
  }

  drawSeg() {
    fill(this.seg, [["question", "Question"], ["answer", "Answer"]].map(([id, label]) => el("button", { type: "button", "aria-pressed": String(id === this.part), on: { click: () => { this.part = id; this.save(); this.drawSeg(); } } }, label)));
  }

  save() { try { localStorage.setItem(SAVED, JSON.stringify({ text: this.area.value, part: this.part })); } catch { /* a full store keeps nothing */ } }

  async run() {
    const turn = ++this.asked, started = Date.now();
    this.button.disabled = true;
    fill(this.out, this.wait = el("p", { class: "quiet measuring", text: "Waiting for the model …" }));
    try {
      const job = await api.post("/api/rewrites/try", { text: this.area.value, part: this.part });
      let state;
      while ((state = await api.get(`/api/rewrites/try/${job.id}`)).job.active) {
        if (turn !== this.asked) return;
        this.wait.textContent = `${state.job.state === "queued" ? "Waiting for the model" : "The model is writing"} … ${fmt.duration((Date.now() - started) / 1000)}`;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      if (turn !== this.asked) return;
      if (!state.result) return fill(this.out, problem({ message: state.job.error || "The trial was stopped.", hint: state.job.hint }));
      this.show(state.result);
    } catch (error) {
      if (turn === this.asked) fill(this.out, problem(error));
    } finally { if (turn === this.asked) this.button.disabled = false; }
  }

  show(result) {
    const kept = result.kept;
    fill(this.out, el("section", { class: "card stack" },
      el("div", { class: "row apart" }, el("h2", { text: kept ? "The original is kept" : "Rewritten" }), el("span", { class: "small-text quiet num", text: `${fmt.duration(result.seconds)} on the model` })),
      kept ? el("div", { class: "rw-reason" }, icon("info"), el("p", { text: result.reason })) : null,
      el("div", { class: "cols-2" }, el("div", { class: "rw-side" }, el("h3", { text: "Original" }), result.spans.length ? side(result.spans, "removed") : el("p", { class: "record-text rw-text", dir: "auto", text: result.original })),
        el("div", { class: `rw-side ${kept ? "unused" : ""}` }, el("h3", { class: "row apart nowrap" }, kept ? (result.spans.length ? "Nearest draft, not used" : "Rewrite") : "Rewrite", originChip(result.origin_label, kept)), result.spans.length ? side(result.spans, "added") : el("p", { class: "quiet", text: result.drafts.length ? "Every draft says the same words." : "The text was not sent to the model." }))),
      el("div", { class: "row rw-facts small-text" }, styleLine(result.style_before, result.style_after), reviewLine(result.review), result.review.edits ? el("span", { class: "quiet", text: `Edits: ${result.review.edits}` }) : null),
      result.guards.length ? guardChips(result.guards) : null,
      result.drafts.length ? el("details", {}, el("summary", { text: `All ${fmt.plural(result.drafts.length, "draft")}, with what stopped each` }), el("ol", { class: "stack tight rw-tries" }, result.drafts.map((draft) => el("li", { class: "rw-draft" },
        el("span", { class: "small-text quiet", text: draft.origin === "model" ? "written by the model" : `edit ranked by the model: ${draft.edits}` }), side(draft.spans.length ? draft.spans : [["same", draft.text]], "added"),
        draft.same ? el("p", { class: "small-text quiet", text: "the same words as the original" }) : draft.failed.length ? el("p", { class: "small-text bad-text", text: draft.failed.map((one) => `${one.name}: ${one.detail}`).join(" · ") }) : el("p", { class: "small-text good-text", text: "passed every guard" }))))) : null));
  }
}
