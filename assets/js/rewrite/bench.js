// The workbench: queue, two columns with the changed words, guards, verdicts by button and by key. Each verdict is stored at once.
import { activeJobs, api, bind, confirm, debounce, el, empty, fill, fmt, icon, meter, openRecord, openTab, param, photo, problem, setParams, studio, tell, toast } from "../studio.js";
import { guardChips, originChip, reviewLine, side, styleLine } from "./texts.js";

const FILTERS = [["pending", "Pending"], ["accepted", "Accepted"], ["edited", "Edited"], ["rejected", "Rejected"], ["kept", "Original kept"], ["all", "All"]];
const AHEAD = 5;
const draftName = (id) => `align2-rewrite-edit-${id}`;
let bench = null;

const key = (keys, label, f) => bind("rewrite", keys, label, () => { if (bench?.shown) f(bench); });
key("a", "Accept the rewrite", (b) => b.judge("accepted"));
key("r", "Reject it: keep the original", (b) => b.judge("rejected"));
key("e", "Edit it", (b) => b.edit());
key("u", "Undo the last verdict", (b) => b.undo());
key(["j", "ArrowRight"], "Next", (b) => b.step(1));
key(["k", "ArrowLeft"], "Previous", (b) => b.step(-1));
key("o", "Open the record", (b) => b.item && openRecord(b.item.record_id));

export class Bench {
  constructor(node, { changed }) {
    Object.assign(this, { node, changed, shown: true, rows: [], at: 0, item: null, details: new Map(), queue: null, dataset: null, editing: null, asked: 0, total: 0 });
    this.top = el("div", { class: "stack tight" });
    this.body = el("div", { class: "rw-bench" });
    bench = this;
  }

  stop() { if (bench === this) bench = null; }
  get show() { return FILTERS.some(([id]) => id === param("rw_show")) ? param("rw_show") : "pending"; }

  /** Read the queue. `quiet` keeps the rows that are on the screen and takes only counts and new rows. */
  async load(dataset, key, { quiet = false } = {}) {
    const same = quiet && this.dataset === dataset && this.key === key && this.listed === this.show;
    Object.assign(this, { dataset, key });
    const queue = await api.get("/api/rewrites/queue", { dataset, key, show: this.show, limit: 500 });
    return { ...queue, same };
  }

  draw(queue, overview) {
    this.queue = queue;
    this.overview = overview;
    if (queue.same && this.rows.length) {
      const known = new Set(this.rows.map((row) => row.id));
      this.rows.push(...queue.rows.filter((row) => !known.has(row.id)));
      this.drawTop();
      this.drawPlace();
      return;
    }
    this.listed = this.show;
    this.rows = queue.rows;
    this.details.clear();
    const wanted = this.rows.findIndex((row) => String(row.id) === param("rw_id"));
    this.at = Math.max(0, wanted);
    if (!this.node.contains(this.body)) fill(this.node, this.top, this.body);
    this.drawTop();
    this.open();
  }

  async reload(options) {
    try { this.draw(await this.load(this.dataset, this.key, options), this.overview); } catch (error) { tell(error); }
  }

  drawTop() {
    const { counts, judged, proposed, green } = this.queue;
    if (!counts.all) return fill(this.top);
    const tabs = FILTERS.map(([id, label]) => el("button", { type: "button", "aria-pressed": String(id === this.show), on: { click: () => { setParams({ rw_show: id === "pending" ? null : id, rw_id: null }); this.reload(); } } },
      label, el("span", { class: "quiet num", text: ` ${fmt.int(counts[id])}` })));
    fill(this.top, el("div", { class: "row apart" }, el("div", { class: "seg", role: "group", "aria-label": "Queue" }, tabs),
      el("div", { class: "row" }, el("button", { class: "btn small", disabled: !green, title: green ? "Accept every pending rewrite whose guards are all green, with one undo" : "No pending rewrite has every guard green", on: { click: () => this.bulk() } }, icon("check"), `Accept all green (${fmt.int(green)})`),
        el("button", { class: "btn small", title: "Undo the last verdict (U)", on: { click: () => this.undo() } }, "Undo"))),
    proposed ? el("div", { class: "rw-judged" }, meter(judged, proposed, { label: "judged" }), el("span", { class: "small-text quiet", text: "judged" })) : null);
  }

  async open() {
    const row = this.rows[this.at];
    const turn = ++this.asked;
    this.editing = null;
    if (!row) { this.item = null; return this.drawEmpty(); }
    setParams({ rw_id: row.id });
    if (!this.details.has(row.id) && !this.item) fill(this.body, el("div", { class: "skeleton rw-skeleton" }));
    try {
      const item = await this.detail(row.id);
      if (turn !== this.asked) return;
      this.item = item;
      const unsaved = localStorage.getItem(draftName(row.id));
      this.drawItem();
      if (unsaved !== null) this.edit(unsaved, true);
      for (const next of this.rows.slice(this.at + 1, this.at + 1 + AHEAD)) this.detail(next.id).then((ahead) => { if (ahead.record.image) new Image().src = `/media/image/${ahead.record.image}`; }).catch(() => {});
    } catch (error) {
      if (turn === this.asked) fill(this.body, problem(error));
    }
  }

  detail(id) {
    if (!this.details.has(id)) {
      const asked = api.get(`/api/rewrites/${id}`);
      this.details.set(id, asked);
      asked.catch(() => this.details.delete(id));
    }
    return this.details.get(id);
  }

  drawEmpty() {
    const { counts } = this.queue;
    if (!counts.all) {
      const running = activeJobs(["rewrite"]).length > 0, kept = this.overview.kept;
      return fill(this.body, empty(running ? { title: "The model is writing", text: "The first rewrites appear here as soon as their batch is stored.", icon: "text" }
        : kept ? { title: "Nothing is rewritten yet", text: `Start at the left: the inner LLM rewrites the ${fmt.plural(kept, "kept record")}, guards check each draft, and you decide on every proposal here.`, icon: "text" }
          : { title: "No record is kept yet", text: "Rewriting works on what the cuts keep. Score the data set, then choose the cuts.", icon: "text", action: { label: this.overview.scored ? "Go to Select" : "Go to Score", run: () => openTab(this.overview.scored ? "select" : "score") } }));
    }
    const words = { pending: counts.kept === counts.all ? ["No draft passed", `All ${fmt.int(counts.all)} originals were kept; “Original kept” says why for each.`] : ["Everything is judged", "Accepted and edited texts go into the export. “All” shows every text again."],
      accepted: ["Nothing is accepted yet", "Press A on a rewrite you like."], rejected: ["Nothing is rejected", "R keeps the original of a rewrite."], edited: ["Nothing is edited", "E opens the rewrite as text."], kept: ["No original was kept", "Every text has a proposal."], all: ["Nothing here", ""] }[this.show];
    fill(this.body, empty({ title: words[0], text: words[1], icon: "check" }));
  }

  drawItem() {
    const item = this.item, judged = item.verdict !== "pending";
    this.right = el("div", { class: "rw-side" });
    this.guards = el("div", {}, guardChips(item.guards));
    this.place = el("span", { class: "quiet num" });
    const what = item.part === "question" ? "Question" : "Answer";
    const turnText = item.turns > 1 ? ` ${item.turn + 1} of ${item.turns}` : "";
    fill(this.body,
      el("div", { class: "row apart nowrap rw-title" }, el("div", { class: "row nowrap clip" }, el("h2", { class: "clip", text: `${what}${turnText}` }),
        el("button", { class: "btn plain small clip", title: "Open the record (O)", on: { click: () => openRecord(item.record_id) } }, item.record.key), el("span", { class: `chip ${item.record.type}`, text: item.record.type_label }),
        judged ? el("span", { class: `chip ${item.verdict === "rejected" ? "bad" : "good"}`, text: item.verdict }) : item.kept ? el("span", { class: "chip", text: "original kept" }) : null),
      el("div", { class: "row nowrap" }, this.place, this.arrow("left", "Previous (K)", -1), this.arrow("right", "Next (J)", 1))),
      el("div", { class: "rw-cols" },
        el("div", { class: "rw-photo" }, photo(item.record, { large: true }), item.question ? el("p", { class: "record-text small-text quiet", dir: "auto", title: "The question this answers", text: item.question }) : null),
        el("div", { class: "rw-side" }, el("h3", { text: "Original" }), item.spans.length ? side(item.spans, "removed") : el("p", { class: "record-text rw-text", dir: "auto", text: item.original })),
        this.right),
      this.foot = el("div", { class: "stack tight rw-foot" }));
    this.drawRight();
    this.drawPlace();
  }

  arrow(name, label, by) {
    return el("button", { class: "icon-btn", "aria-label": label, title: label, on: { click: () => this.step(by) } }, icon(name));
  }

  drawPlace() { if (this.place && this.item) this.place.textContent = fmt.ofN(this.at + 1, this.show === "pending" ? this.rows.length : Math.max(this.rows.length, this.queue.total)); }

  drawRight() {
    const item = this.item, kept = item.kept && item.verdict === "pending";
    const heading = kept ? (item.spans.length ? "Nearest draft, not used" : "Rewrite") : item.verdict === "edited" ? "Your edit" : "Rewrite";
    fill(this.right, el("h3", { class: "row apart nowrap" }, heading, originChip(item.origin_label, kept)),
      item.spans.length ? side(item.spans, "added") : el("p", { class: "quiet", text: "None was written." }));
    this.right.classList.toggle("unused", kept);
    const button = (name, keyName, label, verdict, style) => el("button", { class: `btn ${style}`, disabled: item.kept && !["edit"].includes(verdict), on: { click: () => (verdict === "edit" ? this.edit() : this.judge(verdict)) } }, name ? icon(name) : null, label, el("kbd", { text: keyName }));
    fill(this.foot, kept ? el("div", { class: "rw-reason" }, icon("info"), el("p", {}, "The original is kept: ", el("span", { class: "strong", text: item.reason }))) : null,
      el("div", { class: "row rw-facts small-text" }, styleLine(item.style_before, item.style_after), reviewLine(item.review), item.review.edits ? el("span", { class: "quiet", text: `Edits: ${item.review.edits}` }) : null,
        item.review.reward ? el("span", { class: "num", title: "Log odds of the reward model" }, `Reward ${fmt.number(item.review.reward[0])} → ${fmt.number(item.review.reward[1])}`) : null),
      this.guards, el("div", { class: "row rw-buttons" }, button("check", "A", "Accept", "accepted", item.verdict === "accepted" ? "primary" : kept ? "" : "primary"), button("close", "R", "Reject", "rejected", ""), button("", "E", kept && item.spans.length ? "Edit the draft" : "Edit", "edit", ""),
        el("span", { class: "grow" }), this.rawView()));
  }

  rawView() {
    const { drafts } = this.item;
    if (!drafts.length) return null;
    return el("button", { class: "btn plain small", on: { click: () => showDrafts(this.item) } }, `All ${fmt.plural(drafts.length, "draft")}`);
  }

  edit(text = null, restored = false) {
    if (!this.item || this.editing) return;
    const item = this.item, id = item.id;
    const area = el("textarea", { class: "input rw-area", value: text ?? (item.right || item.original), "aria-label": "The edited text", spellcheck: true, maxLength: 20000 });
    const shown = el("div", { class: "rw-live" }), note = el("p", { class: "small-text quiet", text: restored ? "Your unsaved edit from before is back." : "" });
    this.editing = area;
    const check = debounce(async () => {
      localStorage.setItem(draftName(id), area.value);
      try {
        const found = await api.post(`/api/rewrites/${id}/check`, { text: area.value });
        if (this.editing !== area) return;
        fill(this.guards, guardChips(found.guards));
        fill(shown, side(found.spans, "added"));
        note.textContent = found.failed ? `${fmt.plural(found.failed, "guard")} would stop this; you decide.` : "Every guard is green.";
      } catch (error) { if (this.editing === area) { note.textContent = [error.message, error.hint].filter(Boolean).join(" "); } }
    }, 250);
    const close = () => { localStorage.removeItem(draftName(id)); this.editing = null; fill(this.guards, guardChips(item.guards)); this.drawRight(); };
    const save = async () => {
      try {
        this.put(await api.post("/api/rewrites/judge", { dataset: this.dataset, id, verdict: "edited", text: area.value }));
        localStorage.removeItem(draftName(id));
        this.editing = null;
        this.after("Edit stored");
      } catch (error) { tell(error); }
    };
    area.addEventListener("input", check);
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.preventDefault(); close(); }
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); save(); }
    });
    this.right.classList.remove("unused");
    fill(this.right, el("h3", { text: "Your edit" }), area, shown, note, el("div", { class: "row end" }, el("button", { class: "btn small", on: { click: close } }, "Cancel", el("kbd", { text: "Esc" })), el("button", { class: "btn small primary", on: { click: save } }, "Save", el("kbd", { text: "Ctrl ↵" }))));
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
    check();
  }

  /** Take a judged item in: its row, its detail. */
  put(item) {
    this.details.set(item.id, Promise.resolve(item));
    const row = this.rows.find((one) => one.id === item.id);
    if (row) row.verdict = item.verdict;
    if (this.item?.id === item.id) this.item = item;
  }

  async judge(verdict) {
    if (!this.item || this.editing || this.busy) return;
    this.busy = true;
    const id = this.item.id;
    try {
      this.put(await api.post("/api/rewrites/judge", { dataset: this.dataset, id, verdict }));
      this.after(verdict === "accepted" ? "Accepted" : "Rejected: the original stays");
    } catch (error) { tell(error); } finally { this.busy = false; }
  }

  /** After a verdict: on to the next that is open, and fresh counts. */
  after(said) {
    const next = this.rows.findIndex((row, i) => i > this.at && (this.show !== "pending" || row.verdict === "pending"));
    toast(said, { kind: "good", seconds: 2.5, action: { label: "Undo", run: () => this.undo() } });
    if (next >= 0) { this.at = next; this.open(); this.reload({ quiet: true }); return; }
    this.reload();
    this.changed();
  }

  step(by) {
    const to = this.at + by;
    if (this.editing || to < 0 || to >= this.rows.length) return;
    this.at = to;
    this.open();
  }

  async undo() {
    try {
      const { detail, rewrite_id: id } = await api.post("/api/rewrites/undo", { dataset: this.dataset });
      toast(`Undone: ${detail}`, { seconds: 3 });
      if (id !== null) setParams({ rw_id: id });
      await this.reload();
      this.changed();
    } catch (error) { tell(error); }
  }

  async bulk() {
    const { green } = this.queue;
    if (!await confirm({ title: `Accept ${fmt.plural(green, "rewrite")}?`, text: [`Every one of them is pending and has all its guards green.`, "One undo takes all of them back."], action: `Accept ${fmt.int(green)}` })) return;
    try {
      const { accepted } = await api.post("/api/rewrites/accept-green", { dataset: this.dataset, key: this.key });
      toast(`Accepted ${fmt.plural(accepted, "rewrite")}`, { kind: "good", action: { label: "Undo", run: () => this.undo() } });
      await this.reload();
      this.changed();
    } catch (error) { tell(error); }
  }
}

/** Every draft of a text with what stopped it: nothing the model wrote is hidden. */
function showDrafts(item) {
  const dialog = el("dialog", { class: "sheet modal rw-drafts", "aria-label": "Drafts", on: { close: () => dialog.remove(), click: (event) => { if (event.target === dialog) dialog.close(); } } },
    el("h2", { text: `All ${fmt.plural(item.drafts.length, "draft")}` }), el("p", { class: "record-text", dir: "auto", text: item.original }),
    el("ol", { class: "stack tight" }, item.drafts.map((draft) => el("li", { class: "rw-draft" },
      el("div", { class: "row apart" }, el("span", { class: "small-text quiet", text: draft.origin === "model" ? "written by the model" : `edit ranked by the model: ${draft.edits}` }), draft.style === null ? null : el("span", { class: "small-text num quiet", text: `${fmt.number(draft.style)} nats a token` })),
      el("p", { class: "record-text", dir: "auto", text: draft.text || "(nothing)" }),
      draft.raw && draft.raw.trim() !== draft.text ? el("p", { class: "record-text small-text quiet mono", dir: "auto", title: "The model's output, verbatim", text: draft.raw }) : null,
      draft.same ? el("p", { class: "small-text quiet", text: "the same words as the original" }) : draft.failed.length ? el("p", { class: "small-text bad-text", text: draft.failed.map((one) => `${one.name}: ${one.detail}`).join(" · ") }) : el("p", { class: "small-text good-text", text: "passed every guard" })))),
    el("form", { method: "dialog", class: "row end" }, el("button", { class: "btn", text: "Close" })));
  document.body.append(dialog);
  dialog.showModal();
}
