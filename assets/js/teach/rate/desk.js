// The desk: the open item, the ones in hand behind it, sending, skipping, taking back. What is drawn of an item is its view's part.
import { api, el, emit, empty, fill, fmt, icon, photo, problem, pushKeys, tell, toast } from "../../studio.js";
import { Keeping } from "./keeping.js";
import { MOST, Pairing } from "./pairing.js";
import { drawProgress } from "./progress.js";
import { Ranking } from "./ranking.js";
import { Scoring } from "./scoring.js";

const AHEAD = 3;
const TICK_MS = 500;
const IDLE_MS = 60000;
const modal = () => document.querySelector("dialog[open]");
const ROOM_KEYS = [["[", "Room before", () => emit("teach-step", -1)], ["]", "Next room", () => emit("teach-step", 1)]];

export class Desk {
  /** setting: {dataset, kind, mode, strategy, seed, share}; overview: the studio's words for criteria, reasons, orders. */
  constructor(node, { rater, setting, overview, other }) {
    Object.assign(this, { node, rater, setting, overview, other, queue: [], words: new Map(), flying: new Set(), item: null, view: null, last: null, progress: null, gone: false, warned: false });
    this.keeping = new Keeping(rater);
    this.picture = el("div", { class: "rt-picture" });
    this.right = el("div", { class: "rt-right" });
    this.strip = el("div", { class: "rt-progress" });
    this.revealed = el("div", { class: "rt-last small-text", "aria-live": "polite" });
    this.left = el("div", { class: "rt-left" }, this.picture, this.revealed);
    fill(node, this.strip, el("div", { class: "rt-desk" }, this.left, this.right));
    this.moved = Date.now();
    this.stir = () => { this.moved = Date.now(); };
    this.online = () => this.keeping.flush().then(() => this.fetch()).catch(() => {});
    for (const event of ["keydown", "pointermove", "wheel"]) addEventListener(event, this.stir, { passive: true });
    addEventListener("online", this.online);
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.start();
  }

  close() {
    this.gone = true;
    this.popKeys?.();
    clearInterval(this.timer);
    for (const event of ["keydown", "pointermove", "wheel"]) removeEventListener(event, this.stir);
    removeEventListener("online", this.online);
  }

  tick() {
    const word = this.item && this.words.get(this.item.id);
    if (!word || document.hidden || Date.now() - this.moved > IDLE_MS) return;
    word.seconds = (word.seconds ?? 0) + TICK_MS / 1000;
    const clock = this.strip.querySelector(".rt-clock");
    if (clock) clock.textContent = `${Math.round(word.seconds)} s`;
  }

  async start() {
    fill(this.right, el("div", { class: "skeleton rt-skeleton" }));
    fill(this.picture, el("div", { class: "skeleton rt-skeleton" }));
    try {
      await this.keeping.flush();
      await this.fetch();
    } catch (error) {
      this.left.hidden = true;
      return fill(this.right, problem(error));
    }
    if (!this.gone) this.show();
  }

  /** Have AHEAD items in hand behind the open one, with their pictures. */
  async fetch() {
    const { dataset, kind, mode, strategy, seed, share } = this.setting;
    const held = [...new Set([this.item?.id, ...this.queue.map((item) => item.id), ...this.flying].filter(Boolean))];
    const n = AHEAD + 1 - this.queue.length - (this.item ? 1 : 0);
    if (n <= 0) { this.progress = await api.get("/api/ratings/progress", { dataset, kind, rater: this.rater, mode, seed }); return this.drawStrip(); }
    const { items, progress } = await api.get("/api/ratings/next", { dataset, kind, mode, strategy, seed, share, rater: this.rater, n, held: held.slice(0, 12) });
    if (this.gone) return;
    this.progress = progress;
    const have = new Set([this.item?.id, ...this.queue.map((item) => item.id), ...this.flying]);
    for (const item of items) {
      if (have.has(item.id)) continue;
      this.queue.push(item);
      if (item.image) new Image().src = `/media/image/${item.image}`;
    }
    this.drawStrip();
  }

  drawStrip() {
    drawProgress(this.strip, this.progress, this.words.get(this.item?.id)?.seconds ?? 0);
    if (this.undoButton) this.undoButton.disabled = !this.progress?.rated && !this.progress?.skipped && !this.last;
  }

  wordOf(item) {
    if (!this.words.has(item.id)) {
      const here = this.keeping.local(item.id), there = item.draft;
      const draft = here && (!there || (here.at ?? 0) >= (there.at ?? 0)) ? here : there;
      this.words.set(item.id, draft ? structuredClone(draft) : {});
    }
    return this.words.get(item.id);
  }

  /** Open the next item in hand. */
  show() {
    this.popKeys?.();
    this.warned = false;
    this.item = this.queue.shift() ?? null;
    if (!this.item) return this.flying.size ? this.drawWait() : this.drawEnd();
    this.left.hidden = false;
    const item = this.item, word = this.wordOf(item), { kind, mode } = this.setting;
    if (word.scores?.length !== item.candidates.length) delete word.scores;
    const body = el("div", { class: "rt-candidates" });
    const options = { item, word, criteria: this.overview.criteria[kind], changed: () => this.changed() };
    const pairs = mode === "pairs" && item.candidates.length <= MOST && item.candidates.length > 1;
    const View = item.candidates.length === 1 ? Scoring : mode === "rank" || (mode === "pairs" && item.candidates.length > MOST) ? Ranking : pairs || mode === "hallucination" ? Pairing : Scoring;
    this.sentAs = View === Scoring ? "score" : View === Ranking ? "rank" : mode;
    fill(this.picture, photo({ key: item.image_name, image: item.image, text_only: !item.image, problem: "" }, { large: true }),
      item.facts.length ? el("details", { class: "rt-facts-list small-text" }, el("summary", { text: `${fmt.plural(item.facts.length, "true sentence")} about the image` }), el("ul", {}, item.facts.map((fact) => el("li", { class: "record-text", dir: "auto", text: fact })))) : null);
    this.note = el("textarea", { class: "input rt-note", rows: 1, placeholder: "Note (N)", "aria-label": "Note", maxLength: 4000, value: word.note ?? "", on: {
      input: () => { word.note = this.note.value; this.changed(); },
      keydown: (event) => { if (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) { event.preventDefault(); event.stopPropagation(); this.note.blur(); this.view.focus(); if (event.key === "Enter") this.send(); } } } });
    this.told = el("p", { class: "small-text warn-text rt-told", role: "status" });
    const alone = item.candidates.length === 1;
    fill(this.right,
      item.question ? el("div", { class: "rt-question" }, el("span", { class: "small-text quiet", text: "Question" }), el("p", { class: "record-text", dir: "auto", text: item.question })) : el("p", { class: "small-text quiet", text: "Question sets about this image" }),
      word.reopened ? el("p", { class: "small-text rt-again", text: "Taken back: change it and send it again." }) : item.skipped_before ? el("p", { class: "small-text rt-again", text: "You skipped this one before." }) : null,
      alone ? el("p", { class: "small-text rt-again" }, icon("info"), " A single candidate makes no pair: its score counts for trust, not for teaching.") : null,
      body, this.note, this.told,
      el("div", { class: "row rt-buttons" }, el("button", { class: "btn primary", on: { click: () => this.send() } }, "Send", el("kbd", { text: "↵" })),
        el("button", { class: "btn", on: { click: () => this.skip() } }, "Skip", el("kbd", { text: "S" })),
        (this.undoButton = el("button", { class: "btn", on: { click: () => this.undo() } }, "Undo", el("kbd", { text: "U" }))),
        el("span", { class: "grow" }), el("span", { class: "small-text quiet" }, "Sources are shown after sending. ", el("kbd", { text: "?" }), " lists the keys.")));
    this.view = new View(body, { ...options, hallucination: mode === "hallucination" });
    this.popKeys = pushKeys("Rate", [
      ...this.view.keys().map(([keys, label, f]) => [keys, label, (event) => { if (!modal()) f(event); }]),
      ["Enter", "Send, and on to the next", () => { if (!modal()) this.send(); }],
      ["s", "Skip, with the reason", () => { if (!modal()) this.skip(); }],
      ["u", "Take back the last one", () => { if (!modal()) this.undo(); }],
      ["n", "Write a note (Esc leaves it)", () => { if (!modal()) this.note.focus(); }],
      ...ROOM_KEYS,
    ]);
    this.drawStrip();
    this.view.focus();
    scrollTo({ top: 0 });
  }

  drawWait() {
    this.view = null;
    fill(this.right, el("div", { class: "skeleton rt-skeleton" }));
    this.popKeys = null;
  }

  drawEnd() {
    const { progress, setting } = this;
    this.left.hidden = true;
    const nothing = !progress?.of;
    const box = nothing ? empty(setting.mode === "hallucination"
      ? { title: "No two answers to compare", text: "This needs pictures with two answers to one question. Rewrite the answers, or bring in answers of a second model.", icon: "info" }
      : { title: `This data set has no ${setting.kind}s to rate`, text: "Every text of it is empty.", icon: "info" })
      : empty({ title: `All ${fmt.int(progress.of)} are rated`, text: progress.total > progress.of ? "They were a sample of the data set." : "Look at how far raters agree, or teach a scorer from what was said.", icon: "check",
        action: progress.total > progress.of ? { label: "Draw another sample", run: () => this.other({ seed: setting.seed + 1 }) } : { label: "Go to Train", run: () => emit("teach-room", "train") } });
    fill(this.right, box, progress?.rated || progress?.skipped ? el("div", { class: "row rt-center" }, el("button", { class: "btn", on: { click: () => this.undo() } }, "Undo the last", el("kbd", { text: "U" }))) : null);
    this.view = null;
    this.popKeys = pushKeys("Rate", [["u", "Take back the last one", () => { if (!modal()) this.undo(); }], ...ROOM_KEYS]);
    this.drawStrip();
  }

  changed() {
    const { item, view } = this, word = this.words.get(item.id);
    this.warned = false;
    this.told.textContent = "";
    word.mode = this.sentAs;
    word.at = Date.now();
    this.keeping.draft(item.id, view.empty() && !word.note ? null : word);
  }

  send() {
    if (!this.item || !this.view) return;
    const missing = this.view.missing();
    if (missing && !(missing.force && this.warned)) {
      this.told.textContent = missing.force ? `${missing.text} Enter again sends it as it is.` : missing.text;
      this.warned = missing.force;
      return;
    }
    this.say("send", { mode: this.sentAs, ...this.view.body() });
  }

  skip() {
    if (!this.item) return;
    const reasons = this.overview.skip_reasons;
    let popKeys = null;
    const dialog = el("dialog", { class: "sheet modal rt-skip", "aria-label": "Why skip it?", on: { close: () => { popKeys(); dialog.remove(); } } },
      el("h2", { text: "Why skip it?" }), el("div", { class: "stack tight" }, reasons.map((reason, i) => el("button", { class: "btn", on: { click: () => take(reason) } }, el("kbd", { text: String(i + 1) }), el("span", { text: reason })))),
      el("p", { class: "small-text quiet", text: "It comes back when all others are done. A note you wrote is kept." }), el("form", { method: "dialog", class: "row end" }, el("button", { class: "btn plain", text: "Cancel" })));
    const take = (reason) => { dialog.close(); this.say("skip", { mode: this.sentAs, reason }); };
    popKeys = pushKeys("Why skip it?", [...reasons.map((reason, i) => [String(i + 1), reason, () => take(reason)]), ["Escape", "Don't skip", () => dialog.close()]]);
    document.body.append(dialog);
    dialog.showModal();
  }

  /** Say the word and go on at once; the answer comes in behind. */
  say(path, more) {
    const item = this.item, word = this.words.get(item.id);
    const body = { item: item.id, note: word.note ?? "", seconds: Math.round((word.seconds ?? 0) * 10) / 10, ...more };
    this.flying.add(item.id);
    const answered = this.keeping.say(path, body);
    this.show();
    answered.then((answer) => {
      this.flying.delete(item.id);
      this.words.delete(item.id);
      if (this.gone) return;
      this.last = { ...answer, item };
      this.reveal();
      return this.fetch().then(() => { if (!this.item) this.show(); });
    }).catch((error) => {
      if (this.gone) return;
      if (error.status && this.flying.has(item.id)) { // the studio said no: open it again, as it was
        this.flying.delete(item.id);
        if (this.item) this.queue.unshift(this.item);
        this.queue.unshift(item);
        this.show();
        this.changed();
      }
      toast(error.message, { kind: "bad", hint: error.status === 0 ? "Your rating is kept in this browser and sent when the studio answers." : `${error.place ? `${error.place}: ` : ""}${error.hint ?? ""}` });
      if (error.status === undefined) console.error(error);
    });
  }

  reveal() {
    const { item, scores, sources, skipped, makes_pairs: pairs } = this.last;
    if (skipped) return fill(this.revealed, el("span", { class: "quiet", text: `Skipped: ${skipped}` }));
    fill(this.revealed, el("span", { class: "quiet", text: "Sent:" }), item.candidates.map(({ place }, i) => el("span", { class: "rt-source" }, el("b", { text: String.fromCharCode(65 + i) }), " ", el("span", { class: "num", text: fmt.number(scores[place]) }), " ",
      el("span", { class: "quiet clip", title: sources[place], text: sources[place] || "unknown source" }))), pairs ? null : el("span", { class: "quiet", text: "makes no pair" }));
  }

  async undo() {
    if (this.busy) return;
    this.busy = true;
    try {
      const { dataset, kind, mode } = this.setting;
      await this.keeping.flush();
      const { item } = await this.keeping.later(() => api.post("/api/ratings/undo", { dataset, kind, mode, rater: this.rater }));
      this.words.delete(item.id);
      this.queue = this.queue.filter((one) => one.id !== item.id);
      if (this.item && this.item.id !== item.id) this.queue.unshift(this.item);
      this.queue.unshift(item);
      this.last = null;
      fill(this.revealed);
      this.show();
      await this.fetch();
    } catch (error) { tell(error); } finally { this.busy = false; }
  }
}
