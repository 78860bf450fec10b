// The records of the open data set: heading, filters, search, pages of cards, and the way into the large view.
import { api, debounce, el, empty, fill, fmt, icon, openRecord, param, photo, problem, setParams, studio } from "./studio.js";
import { report } from "./data-report.js";

const PAGE = 24;
const TYPES = [
  ["conversation", "Conversation"],
  ["detail", "Detail"],
  ["complex", "Complex reasoning"],
];

/** What the grid shows; kept in the address, so that a reload and a link bring it back. */
export const view = {
  page: 1,
  text: "",
  type: "",
  problems: false,
  read() {
    this.page = Math.min(1e6, Math.max(1, Math.floor(Number(param("page"))) || 1));
    this.text = param("q");
    this.type = param("type");
    this.problems = param("problems") === "1";
  },
  write() {
    setParams({ page: this.page > 1 ? this.page : null, q: this.text, type: this.type, problems: this.problems ? 1 : null });
  },
  clear() {
    Object.assign(this, { page: 1, text: "", type: "", problems: false });
    this.write();
  },
};

/** Everything right of the rail while a data set is open. `filters` is a node of the rail that this page keeps up to date. */
export class RecordsPage {
  constructor(main) {
    Object.assign(this, { main, seen: null, details: null, asked: 0, cards: [], total: 0, at: 0, go: () => {} });
    this.filters = el("section", { class: "stack tight" });
    this.search = el("input", {
      class: "input",
      type: "search",
      placeholder: "Search questions, answers, ids",
      "aria-label": "Search",
      maxLength: 300,
      spellcheck: false,
      on: {
        input: debounce(() => this.filter({ text: this.search.value }), 250),
        keydown: (e) => {
          if (e.key === "Escape" || e.key === "Enter") {
            e.preventDefault();
            this.search.blur();
            this.focus(this.at);
          }
        },
      },
    });
    this.count = el("span", { class: "quiet num", role: "status" });
    this.grid = el("div", { class: "grid", role: "list" });
    this.pagers = [
      el("nav", { class: "pager row nowrap", "aria-label": "Pages" }),
      el("nav", { class: "pager row nowrap foot", "aria-label": "Pages, below" }),
    ];
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
      try {
        this.details = await api.get(`/api/datasets/${id}`);
      } catch (error) {
        fill(this.body, problem(error));
        return;
      }
      if (this.seen !== id) return;
    }
    this.drawHead();
    this.drawFilters();
    fill(this.main, this.head, this.body);
    if (this.place === "report")
      return fill(
        this.body,
        report(this.details, {
          showProblems: () => {
            view.clear();
            view.problems = true;
            view.write();
            this.go("");
          },
        }),
      );
    if (this.search.value !== view.text) this.search.value = view.text;
    fill(
      this.body,
      el(
        "div",
        { class: "row apart nowrap" },
        el("div", { class: "search grow" }, icon("search"), this.search),
        this.count,
        this.pagers[0],
      ),
      this.grid,
      this.pagers[1],
    );
    await this.load();
    const wanted = Number(param("record"));
    if (wanted) {
      setParams({ record: null });
      this.open(wanted);
    }
  }

  drawHead() {
    const d = this.details;
    const button = (place, text) =>
      el("button", { "aria-pressed": String(this.place === place), on: { click: () => this.go(place === "records" ? "" : place) } }, text);
    fill(
      this.head,
      el(
        "div",
        { class: "row apart nowrap" },
        el("h1", { class: "clip", title: d.name, text: d.name }),
        el("div", { class: "seg" }, button("records", "Records"), button("report", "Import report")),
      ),
      el("p", {
        class: "quiet clip",
        title: d.source_path,
        text: `${fmt.plural(d.record_count, "record")} from ${d.source} · imported ${fmt.when(d.created_at)}`,
      }),
    );
  }

  drawFilters() {
    const types = this.details.types;
    const row = (id, label, n) =>
      el(
        "button",
        {
          class: `filter ${id}`,
          "aria-pressed": String(view.type === id),
          disabled: n === 0 && view.type !== id,
          on: { click: () => this.filter({ type: view.type === id ? "" : id }) },
        },
        el("span", { class: id ? "dot" : "dot all" }),
        el("span", { class: "grow", text: label }),
        el("span", { class: "num quiet", text: fmt.int(n) }),
      );
    const broken = this.details.problem_count ?? 0;
    fill(
      this.filters,
      el("h3", { text: "Show" }),
      el(
        "div",
        { class: "filters" },
        row("", "All types", this.details.record_count),
        TYPES.map(([id, label]) => row(id, label, types[id] ?? 0)),
        broken || view.problems
          ? el(
              "button",
              { class: "filter", "aria-pressed": String(view.problems), on: { click: () => this.filter({ problems: !view.problems }) } },
              icon("broken"),
              el("span", { class: "grow", text: "Image missing or broken" }),
              el("span", { class: "num quiet", text: fmt.int(broken) }),
            )
          : null,
      ),
    );
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
      got = await api.get("/api/records", {
        dataset: id,
        text: view.text,
        type: view.type,
        problems: view.problems || null,
        offset: (view.page - 1) * PAGE,
        limit: PAGE,
      });
    } catch (error) {
      if (turn === this.asked) {
        this.cards = [];
        fill(this.grid, problem(error));
      }
      return;
    }
    if (turn !== this.asked) return;
    const pages = Math.max(1, Math.ceil(got.total / PAGE));
    if (view.page > pages) {
      view.page = pages;
      view.write();
      return this.load({ focus });
    }
    Object.assign(this, { cards: got.records, total: got.total, of: got.of, pages });
    this.drawGrid();
    if (focus !== null) this.focus(focus < 0 ? this.cards.length - 1 : focus);
  }

  drawGrid() {
    const filtered = view.text || view.type || view.problems;
    this.count.textContent = filtered ? `${fmt.ofN(this.total, this.of)} records` : fmt.plural(this.total, "record");
    this.pagers.forEach((pager) => this.drawPager(pager));
    if (!this.cards.length)
      return fill(
        this.grid,
        el(
          "div",
          { class: "grid-empty" },
          filtered
            ? empty({
                title: `None of ${fmt.plural(this.of, "record")} fits`,
                text: "Search looks for the exact words in questions, answers and ids. Try fewer of them, or another type.",
                icon: "search",
                action: {
                  label: "Show all",
                  run: () => {
                    this.search.value = "";
                    this.filter({ text: "", type: "", problems: false });
                  },
                },
              })
            : empty({
                title: "This data set holds no record",
                text: "The import report says why the rows were skipped.",
                action: { label: "Open the report", run: () => this.go("report") },
              }),
        ),
      );
    this.at = Math.min(this.at, this.cards.length - 1);
    fill(
      this.grid,
      this.cards.map((card, i) => this.card(card, i)),
    );
  }

  drawPager(pager) {
    const first = (view.page - 1) * PAGE + 1;
    const to = (page) => {
      view.page = page;
      view.write();
      this.at = 0;
      this.load();
      scrollTo({ top: 0 });
    };
    pager.hidden = this.total <= PAGE;
    fill(
      pager,
      el(
        "button",
        { class: "icon-btn", "aria-label": "Previous page", disabled: view.page <= 1, on: { click: () => to(view.page - 1) } },
        icon("left"),
      ),
      el("span", {
        class: "num small-text",
        text: `${fmt.int(first)}–${fmt.int(Math.min(first + PAGE - 1, this.total))} of ${fmt.int(this.total)}`,
      }),
      el(
        "button",
        { class: "icon-btn", "aria-label": "Next page", disabled: view.page >= (this.pages ?? 1), on: { click: () => to(view.page + 1) } },
        icon("right"),
      ),
    );
    this.turn = (by) => {
      const page = view.page + by;
      if (page >= 1 && page <= this.pages) to(page);
    };
  }

  card(card, i) {
    const facts = [
      card.turns > 1 ? fmt.plural(card.turns, "turn") : null,
      card.candidates > 1 ? fmt.plural(card.candidates, "answer") : null,
    ]
      .filter(Boolean)
      .join(" · ");
    return el(
      "div",
      { role: "listitem" },
      el(
        "button",
        {
          class: "record-card",
          tabIndex: i === this.at ? 0 : -1,
          data: { record: card.id },
          on: {
            click: () => {
              this.at = i;
              this.open(card.id);
            },
            focus: () => {
              this.at = i;
            },
          },
        },
        photo(card),
        el(
          "span",
          { class: "card-body" },
          el("span", { class: "card-question", dir: "auto", text: card.question || "(empty question)" }),
          el(
            "span",
            { class: "card-foot" },
            el("span", {
              class: `chip ${card.type}`,
              title: card.type_told ? "The file names this type" : "Inferred from the conversation",
              text: card.type_label,
            }),
            el("span", { class: "quiet", text: facts }),
          ),
        ),
      ),
    );
  }

  focus(i) {
    const buttons = this.grid.querySelectorAll(".record-card");
    if (!buttons.length) return;
    this.at = Math.max(0, Math.min(i, buttons.length - 1));
    buttons.forEach((b, k) => {
      b.tabIndex = k === this.at ? 0 : -1;
    });
    buttons[this.at].focus();
  }

  async move(by) {
    const next = this.at + by;
    const inside = document.activeElement?.classList?.contains("record-card");
    if (!inside) return this.focus(this.at);
    if (next < 0 && view.page > 1) {
      view.page -= 1;
      view.write();
      return this.load({ focus: -1 });
    }
    if (next >= this.cards.length && view.page < this.pages) {
      view.page += 1;
      view.write();
      return this.load({ focus: 0 });
    }
    this.focus(next);
  }

  columns() {
    const buttons = [...this.grid.querySelectorAll(".record-card")];
    return Math.max(
      1,
      buttons.filter(
        (b) => b.offsetTop === buttons[0].offsetTop && b.getBoundingClientRect().top === buttons[0].getBoundingClientRect().top,
      ).length,
    );
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
      moved: (at) => {
        setParams({ record: at });
        this.at = Math.max(0, where(at));
      },
      closed: () => {
        setParams({ record: null });
        this.focus(this.at);
      },
    });
    setParams({ record: id });
  }
}

const skeleton = () => Array.from({ length: 8 }, () => el("div", { class: "skeleton card-skeleton" }));
