// The Export tab: what would leave and where to on the left, finished exports with their manifests on the right.
import { activeJobs, api, el, empty, fill, fmt, icon, island, jobList, meter, on, openTab, param, problem, refresh, setParams, studio, tell, toast } from "./studio.js";
import { exportCard } from "./export-card.js";

island("export", (node) => {
  const tab = new ExportTab(node);
  const off = [
    on("dataset", () => tab.open()),
    on("tab", (id) => { if (id === "export") tab.open(); }),
    on("jobs", () => tab.jobsMoved()),
    on("job-end", (job) => tab.jobEnded(job)),
  ];
  tab.open();
  return () => off.forEach((f) => f());
});

class ExportTab {
  constructor(node) {
    Object.assign(this, { node, asked: 0, seen: null, overview: null, inside: null, refusal: null, selection: "", zip: true, shown: null });
    this.rail = el("aside", { class: "rail stack", "aria-label": "New export" });
    this.main = el("div", { class: "export-main stack" });
    this.box = el("div", { class: "plan stack tight", "aria-live": "polite" });
    this.action = el("div", { class: "stack tight" });
    this.jobs = el("div", { class: "job-list flush" });
    jobList(this.jobs, (job) => job.kind === "export" && job.active && job.dataset_id === studio.dataset?.id, { title: "Export" });
    this.place = el("input", { class: "input mono", type: "text", maxLength: 4096, spellcheck: false, autocomplete: "off", "aria-describedby": "export-place-help" });
    this.placeHelp = el("span", { class: "help", id: "export-place-help" });
  }

  open() {
    if (!studio.ready || studio.tab !== "export") return;
    if (!studio.dataset) {
      this.seen = null;
      return fill(this.node, empty({ title: "There is nothing to export yet", text: "Bring a data set in, score it and choose what to keep. The curated set leaves here.", icon: "folder", action: { label: "Go to Data", run: () => openTab("data") } }));
    }
    if (this.seen !== studio.dataset.id) {
      if (this.seen !== null) setParams({ export: null });
      Object.assign(this, { seen: studio.dataset.id, overview: null, inside: null, refusal: null, selection: "", shown: null });
      fill(this.rail, el("div", { class: "skeleton score-skeleton" }));
      fill(this.main, el("div", { class: "skeleton score-skeleton" }));
      fill(this.node, el("div", { class: "with-rail score-columns" }, this.rail, this.main));
    }
    this.load();
  }

  async load() {
    const turn = ++this.asked;
    const dataset = studio.dataset?.id;
    let overview;
    try { overview = await api.get("/api/exports", { dataset }); } catch (error) { if (turn === this.asked) fill(this.main, problem(error)); return; }
    if (turn !== this.asked || dataset !== studio.dataset?.id) return;
    this.overview = overview;
    if (!overview.selections.some((one) => one.name === this.selection)) this.selection = "";
    this.drawForm();
    this.drawMain();
    await this.weigh();
  }

  jobsMoved() {
    if (studio.tab === "export" && this.overview && studio.dataset?.id === this.seen) this.drawAction();
  }

  jobEnded(job) {
    if (job.kind === "export" && job.dataset_id === this.seen) {
      if (job.state === "done") { setParams({ export: null }); toast(`${fmt.ofN(job.result.records, job.result.of)} records are exported.`, { kind: "good", action: studio.tab === "export" ? null : { label: "Show", run: () => openTab("export") } }); }
      if (studio.tab === "export") this.load();
    }
  }

  // --- the form

  drawForm() {
    const { selections } = this.overview;
    const select = el("select", { class: "select", on: { change: () => { this.selection = select.value; this.inside = null; this.weigh(); } } },
      selections.map((one) => el("option", { value: one.name, text: one.label, selected: one.name === this.selection })));
    const kind = (zip, text) => el("button", { type: "button", "aria-pressed": String(this.zip === zip), on: { click: () => { this.zip = zip; this.drawForm(); } } }, text);
    this.place.placeholder = this.zip ? "/home/you/curated.zip" : "/home/you/curated";
    this.placeHelp.textContent = `Empty: ${this.overview.exports_folder}. Nothing is ever overwritten.`;
    fill(this.rail, el("section", { class: "card stack" }, el("h2", { text: "Export" }),
      el("label", { class: "field" }, el("span", { text: "Selection" }), el("span", { class: "picker" }, select, icon("down"))),
      el("div", { class: "field" }, el("span", { class: "label", text: "As" }), el("div", { class: "seg halves", role: "group", "aria-label": "As" }, kind(true, "One zip"), kind(false, "A folder"))),
      el("label", { class: "field" }, el("span", { text: "Where, on this machine" }), this.place, this.placeHelp),
      this.box, this.action, this.jobs));
    this.drawBox();
    this.drawAction();
  }

  async weigh() {
    const wish = { dataset: studio.dataset?.id, selection: this.selection };
    const turn = this.asked;
    this.drawBox();
    try {
      const inside = await api.get("/api/exports/contents", wish);
      if (turn !== this.asked || wish.selection !== this.selection) return;
      Object.assign(this, { inside, refusal: null });
    } catch (error) {
      if (turn !== this.asked) return;
      Object.assign(this, { inside: null, refusal: error });
    }
    this.drawBox();
    this.drawAction();
  }

  drawBox() {
    const it = this.inside;
    if (this.refusal) return fill(this.box, problem(this.refusal));
    if (!it) return fill(this.box, el("p", { class: "quiet small-text measuring", text: "Counting what is kept …" }));
    if (!it.records) {
      return fill(this.box, el("h3", { text: "Nothing is kept" }), el("p", { class: "small-text quiet", text: `This selection keeps 0 of ${fmt.int(it.of)} records. Loosen its cuts, or keep records by hand.` }),
        el("button", { class: "btn small", on: { click: () => openTab("select") } }, "Go to Select"));
    }
    const fact = (name, ...value) => [el("dt", { text: name }), el("dd", { class: "num" }, value)];
    const rewritten = it.rewritten_questions + it.rewritten_answers;
    fill(this.box, el("h3", { text: "What is inside" }),
      el("dl", { class: "facts" },
        fact("Records", fmt.ofN(it.records, it.of)), fact("Turns", `${fmt.int(it.turns)}, one answer each`),
        fact("Rewritten", rewritten ? `${fmt.plural(it.rewritten_questions, "question")}, ${fmt.plural(it.rewritten_answers, "answer")}` : "no text yet"),
        fact("Images", `${fmt.int(it.images)} · ${fmt.bytes(it.image_bytes)}`), fact("Size", `about ${fmt.bytes(it.estimated_bytes)}`)),
      meter(it.records, it.of, { label: "Records kept" }),
      it.unscored ? el("p", { class: "small-text quiet", text: "Nothing is scored yet: the whole data set leaves, with the first answer of each turn." })
        : el("p", { class: "small-text quiet", text: "Of several answers, the one with the highest score leaves." }),
      it.images_missing ? el("p", { class: "small-text warn-text", text: `${fmt.plural(it.images_missing, "image")} of these records could not be read at import; the records leave without.` }) : null);
  }

  drawAction() {
    const running = activeJobs(["export"]).length > 0;
    if (running) return fill(this.action);
    const it = this.inside;
    fill(this.action, el("button", { class: "btn primary wide-btn", disabled: !it?.records, on: { click: (event) => this.start(event.currentTarget) } }, it?.records ? `Export ${fmt.plural(it.records, "record")}` : "Export"), this.error ?? null);
  }

  async start(button) {
    button.disabled = true;
    this.place.removeAttribute("aria-invalid");
    this.error = null;
    try {
      await api.post("/api/exports", { dataset: studio.dataset.id, selection: this.selection, to: this.place.value, zip: this.zip });
      await refresh();
    } catch (error) {
      if (error.place === "to") { this.place.setAttribute("aria-invalid", "true"); this.place.focus(); }
      this.error = error.status >= 400 && error.status < 500 ? problem(Object.assign(error, { place: "" })) : null;
      if (!this.error) tell(error);
    }
    this.drawAction();
  }

  // --- what was exported

  drawMain() {
    const jobs = this.overview.exports.filter((job) => !job.active);
    const done = jobs.filter((job) => job.state === "done");
    if (!jobs.length) return fill(this.main, el("section", { class: "card" }, empty({ icon: "folder", title: "Nothing is exported yet", text: "The curated set leaves as a LLaVA file that any trainer reads, with its images and a manifest that says how it came about." }), leaves()));
    const wanted = Number(param("export"));
    const open = jobs.find((job) => job.id === wanted) ?? done.find((job) => job.there) ?? jobs[0];
    if (this.card?.dataset.job !== String(open.id) || this.card?.dataset.there !== String(open.there)) {
      this.card = exportCard(open, { again: (name) => this.again(open, name) });
      Object.assign(this.card.dataset, { job: open.id, there: open.there });
    }
    fill(this.main, this.card, this.list(jobs, open), leaves({ folded: true }));
  }

  list(jobs, open) {
    const row = (job) => el("tr", { class: job.id === open.id ? "open" : "" },
      el("td", {}, el("button", { class: "link clip", "aria-current": job.id === open.id ? "true" : null, title: job.path, on: { click: () => { setParams({ export: job.id }); this.drawMain(); this.main.scrollIntoView({ block: "nearest" }); } } }, job.file_name || `Export ${job.id}`)),
      el("td", { class: "n", text: job.state === "done" ? fmt.ofN(job.result.records, job.result.of) : "–" }), el("td", { class: "n", text: job.state === "done" ? fmt.bytes(job.result.bytes) : "–" }),
      el("td", { text: selectionWords(job) }), el("td", {}, el("span", { class: `chip ${job.state === "done" && !job.there ? "warn" : job.state}`, text: job.state === "done" ? (job.there ? (job.zip ? "zip" : "folder") : "moved or deleted") : job.state === "failed" ? "failed" : "stopped" })),
      el("td", { class: "n quiet", text: fmt.when(job.ended_at ?? job.created_at) }));
    return el("section", { class: "card stack tight" }, el("h2", { text: `${fmt.plural(jobs.length, "export")} of this data set` }),
      el("table", { class: "table" }, el("thead", {}, el("tr", {}, ["File", "Records", "Size", "Selection", "", "When"].map((name, i) => el("th", { class: [1, 2, 5].includes(i) ? "n" : "", text: name })))), el("tbody", {}, jobs.map(row))));
  }

  async again(job, name) {
    try {
      await api.post(`/api/exports/${job.id}/import`, { name });
      toast(`“${name}” is being imported.`, { kind: "good", action: { label: "Go to Data", run: () => openTab("data") } });
      await refresh();
      return true;
    } catch (error) { tell(error); return false; }
  }
}

export const selectionWords = (job) => (!job.selection || job.selection === "current" ? "open cuts" : job.selection === "everything" ? "everything" : job.selection);

function leaves({ folded = false } = {}) {
  const files = [["data.json", "The records in LLaVA's own form: id, image, conversations. One answer a turn, accepted rewrites in place, unknown fields kept."],
    ["images/", "Each image once, byte for byte as it came in."],
    ["provenance.jsonl", "One line for each text that differs from the import, with its original, and for each answer chosen among several."],
    ["manifest.json", "Counts of every stage, scorer keys, the selection, decisions by hand, versions, and the sha256 of every other file."]];
  const table = el("dl", { class: "leaves" }, files.map(([name, text]) => [el("dt", { class: "mono", text: name }), el("dd", { text })]));
  return folded ? el("details", { class: "card leaves-fold" }, el("summary", { text: "What an export consists of" }), table) : table;
}
