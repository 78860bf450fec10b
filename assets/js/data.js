// The Data tab: the list of data sets, the grid of records; report and form are modules of their own.
import { api, bind, confirm, debounce, el, empty, fill, fmt, icon, island, jobList, on, openDataset, openRecord, param, photo, problem, refresh, setParams, studio, tell, toast } from "./studio.js";
import { importForm, importing } from "./data-import.js";
import { report } from "./data-report.js";

const PAGE = 24;
const TYPES = [["conversation", "Conversation"], ["detail", "Detail"], ["complex", "Complex reasoning"]];

/** What the grid shows; kept in the address, so that a reload and a link bring it back. */
const view = { page: 1, text: "", type: "", problems: false, read() { this.page = Math.max(1, Number(param("page")) || 1); this.text = param("q"); this.type = param("type"); this.problems = param("problems") === "1"; },
  write() { setParams({ page: this.page > 1 ? this.page : null, q: this.text, type: this.type, problems: this.problems ? 1 : null }); },
  clear() { Object.assign(this, { page: 1, text: "", type: "", problems: false }); this.write(); } };

island("data", (node) => {
  view.read();
  const rail = el("aside", { class: "rail stack wide data-rail", "aria-label": "Data sets and filters" });
  const main = el("div", { class: "data-main stack" });
  fill(node, el("div", { class: "with-rail" }, rail, main));
  const page = new RecordsPage(main);
  const draw = () => {
    drawRail(rail, page);
    if (!studio.ready) return;
    const place = param("view");
    if (place === "add" || (!studio.dataset && !importing())) return importForm(main, { leave: () => go("") });
    if (!studio.dataset) return fill(main, empty({ title: "The first data set is on its way in", text: "Its records show up here as soon as the import has ended.", icon: "upload" }));
    page.show(place === "report" ? "report" : "records");
  };
  const go = (place) => { setParams({ view: place }); draw(); };
  page.go = go;
  const off = [
    on("dataset", () => { if (studio.ready && page.seen !== null && page.seen !== studio.dataset?.id) { view.clear(); if (param("view") === "add") setParams({ view: null }); } draw(); }),
    on("datasets", () => { drawRail(rail, page); if (!studio.dataset) draw(); }),
    on("jobs", () => { if (!studio.dataset && param("view") !== "add") draw(); }),
    on("job-end", (job) => { if (job.kind === "import") importEnded(job, go); }),
    on("tab", (tab) => { if (tab === "data") draw(); }),
  ];
  keysOfGrid(page);
  draw();
  return () => off.forEach((f) => f());
});

function importEnded(job, go) {
  const id = job.result?.dataset_id;
  if (job.state === "done" && id) {
    toast(`“${job.name}” is in: ${fmt.plural(job.result.imported ?? 0, "record")}.`, { kind: "good", action: { label: "Open", run: () => { openDataset(id); go("report"); } }, seconds: 12 });
  } else if (job.state === "failed") toast(`The import of “${job.name}” ended without a data set: ${job.error}`, { kind: "bad", hint: job.hint, seconds: 20 });
  else if (job.state === "cancelled") toast(`The import of “${job.name}” was stopped; nothing of it was kept.`);
}

// --- the rail

function drawRail(rail, page) {
  const jobs = el("div", { class: "stack tight" });
  rail.stopJobs?.();
  rail.stopJobs = jobList(jobs, (job) => job.kind === "import" && job.active, {});
  fill(rail,
    el("button", { class: "btn primary", on: { click: () => page.go("add") } }, icon("plus"), "Bring data in"),
    jobs,
    studio.datasets.length ? el("section", { class: "stack tight" }, el("h3", { text: fmt.plural(studio.datasets.length, "data set") }),
      el("ul", { class: "set-list" }, studio.datasets.map((d) => setRow(d, page)))) : null,
    studio.dataset ? page.filters : null);
}

function setRow(dataset, page) {
  const open = dataset.id === studio.dataset?.id;
  return el("li", { class: open ? "open" : "" },
    el("button", { class: "set", "aria-current": open ? "true" : null, on: { click: () => { if (open) page.go(""); else openDataset(dataset.id); } } },
      el("span", { class: "clip strong", title: dataset.name, text: dataset.name }),
      el("span", { class: "small-text quiet clip", text: `${fmt.plural(dataset.record_count, "record")} · ${fmt.when(dataset.created_at)}` })),
    el("button", { class: "icon-btn", "aria-label": `Delete ${dataset.name}`, title: "Delete", on: { click: () => remove(dataset) } }, icon("trash")));
}

async function remove(dataset) {
  try {
    const now = await api.get(`/api/datasets/${dataset.id}`);
    const sure = await confirm({ title: `Delete “${now.name}”?`, danger: true, action: `Delete ${fmt.plural(now.record_count, "record")}`,
      text: [`${fmt.plural(now.record_count, "record")} go, with their scores, decisions, selections and rewrites. This can't be undone.`, "The files you imported from, and exports you made, stay where they are."] });
    if (!sure) return;
    const gone = await api.delete(`/api/datasets/${dataset.id}`);
    toast(`“${gone.deleted}” is deleted: ${fmt.plural(gone.records, "record")}.`);
  } catch (error) { tell(error); }
  await refresh();
}

// --- the open data set

class RecordsPage {
  constructor(main) {
    Object.assign(this, { main, seen: null, details: null, asked: 0, cards: [], total: 0, at: 0, go: () => {} });
    this.filters = el("section", { class: "stack tight" });
    this.search = el("input", { class: "input", type: "search", placeholder: "Search questions, answers, ids", "aria-label": "Search", maxLength: 300, spellcheck: false,
      on: { input: debounce(() => this.filter({ text: this.search.value }), 250), keydown: (e) => { if (e.key === "Escape" || e.key === "Enter") { e.preventDefault(); this.search.blur(); this.focus(this.at); } } } });
    this.count = el("span", { class: "quiet num", role: "status" });
    this.grid = el("div", { class: "grid", role: "list" });
    this.pagers = [el("nav", { class: "pager row nowrap", "aria-label": "Pages" }), el("nav", { class: "pager row nowrap foot", "aria-label": "Pages, below" })];
    this.body = el("div", { class: "stack" });
    this.head = el("div", { class: "stack tight" });
  }

  async show(place) {
    const id = studio.dataset.id;
    const fresh = this.seen !== id || !this.details;
    this.place = place;
    if (fresh) {
      this.seen = id;
      this.details = null;
      fill(this.head, el("h1", { class: "clip", text: studio.dataset.name }));
      fill(this.main, this.head, this.body);
      fill(this.body, skeleton());
      try { this.details = await api.get(`/api/datasets/${id}`); } catch (error) { fill(this.body, problem(error)); return; }
      if (this.seen !== id) return;
    }
    this.drawHead();
    this.drawFilters();
    fill(this.main, this.head, this.body);
    if (this.place === "report") return fill(this.body, report(this.details, { showProblems: () => { view.clear(); view.problems = true; view.write(); this.go(""); } }));
    if (this.search.value !== view.text) this.search.value = view.text;
    fill(this.body, el("div", { class: "row apart nowrap" }, el("div", { class: "search grow" }, icon("search"), this.search), this.count, this.pagers[0]), this.grid, this.pagers[1]);
    await this.load();
    const wanted = Number(param("record"));
    if (wanted) { setParams({ record: null }); this.open(wanted); }
  }

  drawHead() {
    const d = this.details;
    const button = (place, text) => el("button", { "aria-pressed": String(this.place === place), on: { click: () => this.go(place === "records" ? "" : place) } }, text);
    fill(this.head, el("div", { class: "row apart nowrap" }, el("h1", { class: "clip", title: d.name, text: d.name }), el("div", { class: "seg" }, button("records", "Records"), button("report", "Import report"))),
      el("p", { class: "quiet clip", title: d.source_path, text: `${fmt.plural(d.record_count, "record")} from ${d.source} · imported ${fmt.when(d.created_at)}` }));
  }

  drawFilters() {
    const types = this.details.types;
    const row = (id, label, n) => el("button", { class: `filter ${id}`, "aria-pressed": String(view.type === id), disabled: n === 0 && view.type !== id, on: { click: () => this.filter({ type: view.type === id ? "" : id }) } },
      el("span", { class: id ? "dot" : "dot all" }), el("span", { class: "grow", text: label }), el("span", { class: "num quiet", text: fmt.int(n) }));
    const broken = this.details.problem_count ?? 0;
    fill(this.filters, el("h3", { text: "Show" }), el("div", { class: "filters" },
      row("", "All types", this.details.record_count), TYPES.map(([id, label]) => row(id, label, types[id] ?? 0)),
      broken || view.problems ? el("button", { class: "filter", "aria-pressed": String(view.problems), on: { click: () => this.filter({ problems: !view.problems }) } }, icon("broken"), el("span", { class: "grow", text: "Image missing or broken" }), el("span", { class: "num quiet", text: fmt.int(broken) })) : null));
  }

  filter(change) {
    Object.assign(view, { page: 1 }, change);
    view.write();
    this.drawFilters();
    if (param("view")) return this.go("");
    this.load();
  }

  async load({ focus = null } = {}) {
    const turn = ++this.asked;
    const id = this.seen;
    if (!this.cards.length) fill(this.grid, skeleton());
    let got;
    try {
      got = await api.get("/api/records", { dataset: id, text: view.text, type: view.type, problems: view.problems || null, offset: (view.page - 1) * PAGE, limit: PAGE });
    } catch (error) { if (turn === this.asked) { this.cards = []; fill(this.grid, problem(error)); } return; }
    if (turn !== this.asked) return;
    const pages = Math.max(1, Math.ceil(got.total / PAGE));
    if (view.page > pages) { view.page = pages; view.write(); return this.load({ focus }); }
    Object.assign(this, { cards: got.records, total: got.total, of: got.of, pages });
    this.drawGrid();
    if (focus !== null) this.focus(focus < 0 ? this.cards.length - 1 : focus);
  }

  drawGrid() {
    const filtered = view.text || view.type || view.problems;
    this.count.textContent = filtered ? `${fmt.ofN(this.total, this.of)} records` : fmt.plural(this.total, "record");
    this.pagers.forEach((pager) => this.drawPager(pager));
    if (!this.cards.length) return fill(this.grid, el("div", { class: "grid-empty" }, filtered
      ? empty({ title: `None of ${fmt.plural(this.of, "record")} fits`, text: "Search looks for the exact words in questions, answers and ids. Try fewer of them, or another type.", icon: "search", action: { label: "Show all", run: () => { this.search.value = ""; this.filter({ text: "", type: "", problems: false }); } } })
      : empty({ title: "This data set holds no record", text: "The import report says why the rows were skipped.", action: { label: "Open the report", run: () => this.go("report") } })));
    this.at = Math.min(this.at, this.cards.length - 1);
    fill(this.grid, this.cards.map((card, i) => this.card(card, i)));
  }

  drawPager(pager) {
    const first = (view.page - 1) * PAGE + 1;
    const to = (page) => { view.page = page; view.write(); this.at = 0; this.load(); scrollTo({ top: 0 }); };
    pager.hidden = this.total <= PAGE;
    fill(pager, el("button", { class: "icon-btn", "aria-label": "Previous page", disabled: view.page <= 1, on: { click: () => to(view.page - 1) } }, icon("left")),
      el("span", { class: "num small-text", text: `${fmt.int(first)}–${fmt.int(Math.min(first + PAGE - 1, this.total))} of ${fmt.int(this.total)}` }),
      el("button", { class: "icon-btn", "aria-label": "Next page", disabled: view.page >= (this.pages ?? 1), on: { click: () => to(view.page + 1) } }, icon("right")));
    this.turn = (by) => { const page = view.page + by; if (page >= 1 && page <= this.pages) to(page); };
  }

  card(card, i) {
    const facts = [card.turns > 1 ? fmt.plural(card.turns, "turn") : null, card.candidates > 1 ? fmt.plural(card.candidates, "answer") : null].filter(Boolean).join(" · ");
    return el("div", { role: "listitem" }, el("button", { class: "record-card", tabIndex: i === this.at ? 0 : -1, data: { record: card.id }, on: { click: () => { this.at = i; this.open(card.id); }, focus: () => { this.at = i; } } },
      photo(card),
      el("span", { class: "card-body" }, el("span", { class: "card-question", dir: "auto", text: card.question || "(empty question)" }),
        el("span", { class: "card-foot" }, el("span", { class: `chip ${card.type}`, title: card.type_told ? "The file names this type" : "Inferred from the conversation", text: card.type_label }), el("span", { class: "quiet", text: facts })))));
  }

  focus(i) {
    const buttons = this.grid.querySelectorAll(".record-card");
    if (!buttons.length) return;
    this.at = Math.max(0, Math.min(i, buttons.length - 1));
    buttons.forEach((b, k) => { b.tabIndex = k === this.at ? 0 : -1; });
    buttons[this.at].focus();
  }

  async move(by) {
    const next = this.at + by;
    const inside = document.activeElement?.classList?.contains("record-card");
    if (!inside) return this.focus(this.at);
    if (next < 0 && view.page > 1) { view.page -= 1; view.write(); return this.load({ focus: -1 }); }
    if (next >= this.cards.length && view.page < this.pages) { view.page += 1; view.write(); return this.load({ focus: 0 }); }
    this.focus(next);
  }

  columns() {
    const buttons = [...this.grid.querySelectorAll(".record-card")];
    return Math.max(1, buttons.filter((b) => b.offsetTop === buttons[0].offsetTop && b.getBoundingClientRect().top === buttons[0].getBoundingClientRect().top).length);
  }

  open(id) {
    const where = (wanted) => this.cards.findIndex((c) => c.id === wanted);
    openRecord(id, {
      walk: async (step, from) => {
        const next = where(from) + step;
        if (this.cards[next]) return this.cards[next].id;
        const page = view.page + step;
        if (page < 1 || page > this.pages) return null;
        view.page = page;
        view.write();
        await this.load();
        return (step > 0 ? this.cards[0] : this.cards.at(-1))?.id ?? null;
      },
      position: (at) => (where(at) < 0 ? "" : fmt.ofN((view.page - 1) * PAGE + where(at) + 1, this.total)),
      moved: (at) => { setParams({ record: at }); this.at = Math.max(0, where(at)); },
      closed: () => { setParams({ record: null }); this.focus(this.at); },
    });
    setParams({ record: id });
  }
}

const skeleton = () => Array.from({ length: 8 }, () => el("div", { class: "skeleton card-skeleton" }));

function keysOfGrid(page) {
  bind("data", ["ArrowRight", "j"], "Next record", () => page.move(1));
  bind("data", ["ArrowLeft", "k"], "Previous record", () => page.move(-1));
  bind("data", "ArrowDown", "Record below", (e) => page.move(page.columns()));
  bind("data", "ArrowUp", "Record above", () => page.move(-page.columns()));
  bind("data", "Enter", "Open the record", () => { const card = page.cards[page.at]; if (card) page.open(card.id); });
  bind("data", ["]", "PageDown"], "Next page", () => page.turn?.(1));
  bind("data", ["[", "PageUp"], "Previous page", () => page.turn?.(-1));
  bind("data", "/", "Search", () => { page.search.focus(); page.search.select(); });
  bind("data", "n", "Bring data in", () => page.go("add"));
}
