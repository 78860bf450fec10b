// Where two keys of one kind disagree: a plane of binned counts, the figures, and the records that move most.
import { activeJobs, api, chart, el, empty, fill, fmt, icon, openRecord, param, photo, problem, setParams } from "./studio.js";
import { scoresOf } from "./score-examples.js";

const KINDS = [["question", "Questions"], ["answer", "Answers"]];
const SCALES = [["percentile", "Ranks"], ["score", "Scores"]];
const CUTS = [["1", "In each type"], ["0", "Over all types"]];
const SHARES = [10, 20, 30, 50];
const PAGE = 3;
const SIDES = ["first", "second"];
const LETTERS = { first: "A", second: "B" };

/** A section for the Score tab; `draw(overview, {live})` fills and updates it. Asks the server only once it is on the screen. */
export class AgreementPanel {
  constructor() {
    Object.assign(this, { overview: null, seen: false, asked: 0, drawn: "", shown: { first: PAGE, second: PAGE } });
    this.node = el("section", { class: "card stack agreement", "aria-label": "Where two keys disagree" });
    this.head = el("div", { class: "row apart agreement-head" });
    this.choice = el("div", { class: "row agreement-choice" });
    this.plot = el("div", { class: "agreement-plot", role: "img" });
    this.facts = el("div", { class: "stack tight" });
    this.cards = el("div", { class: "cols-2 agreement-cards" });
    this.body = el("div", { class: "stack" }, el("div", { class: "agreement-plane" }, el("figure", {}, this.scale = el("div", { class: "row" }), this.plot, this.caption = el("figcaption", { class: "small-text quiet" })), this.facts), this.cards);
    new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) { this.seen = true; this.load(); } }, { rootMargin: "200px" }).observe(this.node);
  }

  draw(overview, { live = false } = {}) {
    this.overview = overview;
    if (live && this.drawn) return; // while scores come in the picture stays; it is drawn anew at the run's end
    this.load();
  }

  /** What is asked for: the address's choice where it names keys of this data set, else the two used last. Null without two keys. */
  get wish() {
    const keys = this.overview?.keys ?? {};
    const able = KINDS.map(([kind]) => kind).filter((kind) => (keys[kind] ?? []).length > 1);
    if (!able.length) return null;
    const kind = able.includes(param("agree_kind")) ? param("agree_kind") : able[0];
    const known = keys[kind].map((key) => key.digest);
    const first = known.includes(param("agree_first")) ? param("agree_first") : known.find((digest) => digest !== param("agree_second"));
    const second = known.includes(param("agree_second")) && param("agree_second") !== first ? param("agree_second") : known.find((digest) => digest !== first);
    const share = SHARES.includes(Number(param("agree_share"))) ? Number(param("agree_share")) : 30;
    return { dataset: this.overview.dataset.id, kind, first, second, able, share, per_type: param("agree_cut") !== "0", scale: param("agree_scale") === "score" ? "score" : "percentile" };
  }

  choose(values) {
    setParams(values);
    this.shown = { first: PAGE, second: PAGE };
    this.load();
  }

  async load() {
    const { wish } = this;
    if (!this.overview) return;
    if (!wish) return this.drawEmpty();
    if (!this.seen) return;
    const keys = this.overview.keys[wish.kind];
    const signature = JSON.stringify([wish, this.shown, keys.filter((key) => [wish.first, wish.second].includes(key.digest)).map((key) => [key.texts, key.failed])]);
    if (signature === this.drawn) return;
    const turn = ++this.asked;
    this.drawHead(wish, keys);
    const query = { dataset: wish.dataset, kind: wish.kind, first: wish.first, second: wish.second };
    try {
      const [found, ...pages] = await Promise.all([
        api.get("/api/agreement", { ...query, share: wish.share / 100, per_type: wish.per_type, scale: wish.scale }),
        ...SIDES.map((toward) => api.get("/api/agreement/records", { ...query, toward, limit: this.shown[toward] })),
      ]);
      if (turn !== this.asked) return;
      this.drawn = signature;
      if (!this.node.contains(this.body)) fill(this.node, this.head, this.choice, this.body);
      this.drawFacts(found, wish);
      this.drawPlane(found, wish);
      fill(this.cards, pages.map((page) => this.column(page, found)));
    } catch (error) {
      if (turn !== this.asked) return;
      this.drawn = "";
      fill(this.node, this.head, this.choice, problem(error));
    }
  }

  drawEmpty() {
    this.drawn = "";
    const scored = KINDS.some(([kind]) => this.overview.keys[kind]?.length);
    this.node.hidden = !scored;
    fill(this.node, el("h2", { text: "Where two keys disagree" }),
      el("p", { class: "quiet small-text", text: activeJobs(["score"]).length ? "As soon as this data set has scores under two keys, their rankings are compared here."
        : "This data set has scores under one key only. Score again with another precision, quantization or scorer (on the left); then you see here which records the two rank differently, and how much of what one keeps the other keeps too." }));
  }

  drawHead(wish, keys) {
    this.node.hidden = false;
    if (!this.node.contains(this.choice)) fill(this.node, this.head, this.choice, el("div", { class: "skeleton agreement-waiting" }));
    if (this.choice.contains(document.activeElement) && document.activeElement.tagName === "SELECT" && this.drawnKind === wish.kind) return; // a picker is in use: leave it
    this.drawnKind = wish.kind;
    fill(this.head, el("h2", { text: "Where two keys disagree" }), segment(KINDS, wish.kind, "Kind of score", (kind) => this.choose({ agree_kind: kind, agree_first: null, agree_second: null }), (kind) => !wish.able.includes(kind)));
    const picker = (side) => {
      const other = wish[side === "first" ? "second" : "first"];
      const select = el("select", { class: "select small-select", "aria-label": `Key ${LETTERS[side]}`, on: { change: () => this.choose({ [`agree_${side}`]: select.value, [`agree_${side === "first" ? "second" : "first"}`]: other }) } },
        keys.map((key) => el("option", { value: key.digest, text: short(key, keys), title: key.label, selected: key.digest === wish[side], disabled: key.digest === other })));
      return el("label", { class: "row nowrap" }, el("span", { class: `key-letter ${side}`, text: LETTERS[side] }), el("span", { class: "picker" }, select, icon("down")));
    };
    const share = el("select", { class: "select small-select", "aria-label": "Share that is kept", on: { change: () => this.choose({ agree_share: share.value === "30" ? null : share.value }) } }, SHARES.map((value) => el("option", { value: String(value), text: `best ${value} %`, selected: value === wish.share })));
    fill(this.choice, SIDES.map(picker), el("span", { class: "row nowrap" }, el("span", { class: "small-text quiet", text: "Kept" }), el("span", { class: "picker share-pick" }, share, icon("down"))),
      segment(CUTS, wish.per_type ? "1" : "0", "Where the share is cut", (value) => this.choose({ agree_cut: value === "0" ? "0" : null })));
  }

  drawFacts(found, wish) {
    const a = found.agreement;
    const fact = (name, value, title = "") => [el("dt", { text: name }), el("dd", { class: "num", title }, value)];
    const missing = [a.only_first ? `${fmt.int(a.only_first)} only under A` : "", a.only_second ? `${fmt.int(a.only_second)} only under B` : ""].filter(Boolean).join(", ");
    const cut = wish.per_type ? `best ${wish.share} % of each instruction type` : `best ${wish.share} % over all types`;
    fill(this.facts,
      el("dl", { class: "facts agreement-facts" },
        fact("Compared", [`${fmt.ofN(a.shared, a.total)} records`, missing ? el("span", { class: "quiet", text: ` (${missing})` }) : null], "Records that have a score under both keys"),
        fact("Spearman", a.spearman === null ? el("span", { class: "quiet", text: a.reason }) : el("b", { text: fmt.number(a.spearman, 4) }), "Correlation of the two rankings: 1 is the same order, 0 none"),
        a.kept === null ? null : fact("Kept by both", [el("b", { text: fmt.ofN(a.both, a.kept) }), ` (${fmt.share(a.both, a.kept)}) of the ${cut}`]),
        a.kept === null ? null : fact("Moves", `median ${fmt.number(a.median_move, 1)}, largest ${fmt.number(a.largest_move, 1)} percentiles`, "How far a record's place in the ranking moves from one key to the other; 100 is from the bottom to the top"),
        found.candidates ? fact("Best answer", `another candidate in ${fmt.ofN(found.candidates.differ, found.candidates.of)} records`, "Records in which the two keys prefer different answer candidates of some turn") : null),
      a.groups.length > 1 ? el("table", { class: "table agreement-types" }, el("thead", {}, el("tr", {}, ["Type", "Compared", "Kept by both"].map((name, i) => el("th", { class: i ? "n" : "", text: name })))),
        el("tbody", {}, a.groups.filter((g) => g.shared).map((g) => el("tr", {}, el("td", {}, el("span", { class: `chip ${g.group}`, text: g.label })), el("td", { class: "n", text: fmt.int(g.shared) }), el("td", { class: "n", text: `${fmt.ofN(g.both, g.kept)} (${fmt.share(g.both, g.kept)})` }))))) : null,
      a.kept === null ? null : el("p", { class: "small-text quiet", text: a.tied ? `${fmt.plural(a.tied, "record")} ${a.tied === 1 ? "has" : "have"} the very score of a cut: there the earlier of the file is kept.` : "No record ties at a cut; where some do, the earlier of the file is kept." }));
  }

  drawPlane(found, wish) {
    const { joint, agreement: a } = found;
    this.plot.parentElement.hidden = !a.shared;
    if (!a.shared) return;
    fill(this.scale, segment(SCALES, wish.scale, "Scale of the plane", (value) => this.choose({ agree_scale: value === "score" ? "score" : null })));
    this.plot.setAttribute("aria-label", `Key A against key B, ${fmt.int(a.shared)} records; Spearman ${fmt.number(a.spearman, 3)}`);
    this.caption.textContent = found.scale === "percentile" ? "Each square counts records by their rank under both keys; 100 % is the best. On the diagonal both agree." : "Each square counts records by their score under both keys.";
    chart(this.plot, (colors) => plane(found, colors, joint, a));
  }

  column(page, found) {
    const { toward } = page;
    const other = toward === "first" ? "second" : "first";
    const ids = page.cards.map((card) => card.id);
    const more = page.total > page.cards.length ? el("button", { class: "btn small more", text: `Show ${fmt.int(Math.min(2 * PAGE, page.total - page.cards.length))} more`, on: { click: () => { this.shown[toward] = Math.min(48, this.shown[toward] + 2 * PAGE); this.load(); } } }) : null;
    return el("div", { class: "stack tight", data: { toward } },
      el("div", { class: "row apart" }, el("h3", {}, "Higher under ", el("span", { class: `key-letter ${toward}`, text: LETTERS[toward] }), " than under ", el("span", { class: `key-letter ${other}`, text: LETTERS[other] })), el("span", { class: "small-text quiet num", text: `${fmt.ofN(page.total, page.of)} records` })),
      page.cards.length ? page.cards.map((card) => this.card(card, found.kind, ids)) : el("p", { class: "quiet small-text", text: "No record." }),
      this.shown[toward] < 48 ? more : null);
  }

  card(card, kind, ids) {
    const line = (side) => el("span", { class: "row nowrap" }, el("span", { class: `key-letter ${side}`, text: LETTERS[side] }), el("b", { class: "num", text: fmt.number(card[side]) }), el("span", { class: "small-text quiet num", text: `rank ${fmt.number(card[`${side}_percentile`], 0)} %` }));
    const [low, high] = [card.first_percentile, card.second_percentile].sort((x, y) => x - y);
    const where = [card.turns > 1 && kind === "answer" ? `turn ${card.turn + 1} of ${card.turns}: ${fmt.number(card.first_turn)} and ${fmt.number(card.second_turn)}` : "",
      card.other_answer ? `A prefers candidate ${card.first_candidate + 1}, B ${card.second_candidate + 1} of ${card.turn_candidates}` : ""].filter(Boolean).join(" · ");
    return el("button", { class: "example disagreement", title: "Open the whole record", data: { record: card.id }, on: { click: () => openRecord(card.id, { ids, more: scoresOf }) } }, photo(card),
      el("span", { class: "example-body" },
        el("span", { class: "row apart nowrap both" }, el("span", { class: "row both-scores" }, SIDES.map(line)), el("span", { class: `chip ${card.type}`, text: card.type_label })),
        el("span", { class: "move", role: "img", "aria-label": `rank ${fmt.number(card.first_percentile, 0)} % under A, ${fmt.number(card.second_percentile, 0)} % under B` },
          el("i", { class: "span", style: { left: `${low}%`, width: `${high - low}%` } }), SIDES.map((side) => el("i", { class: side, style: { left: `${card[`${side}_percentile`]}%` } }))),
        el("span", { class: `record-text example-question ${kind === "answer" ? "short" : ""}`, dir: "auto", text: card.question || "(no question)" }),
        kind === "answer" ? el("span", { class: "record-text example-answer", dir: "auto", text: card.answer || "(empty answer)" }) : null,
        where ? el("span", { class: "small-text quiet num", text: where }) : null));
  }
}

const segment = (options, chosen, label, pick, off = () => false) => el("div", { class: "seg small-seg", role: "group", "aria-label": label },
  options.map(([value, text]) => el("button", { "aria-pressed": String(value === chosen), disabled: off(value), title: off(value) ? "Scored under one key only" : "", on: { click: () => { if (value !== chosen) pick(value); } } }, text)));

/** A key by what tells it apart: the precision first, the scorer only where there are several. */
const short = (key, keys) => {
  const several = new Set(keys.map((one) => one.adapter)).size > 1;
  const name = (one) => `${one.precision}${one.quantization === "none" ? "" : ` ${one.quantization}`}${several ? ` · ${one.adapter}` : ""}`;
  return keys.some((other) => other !== key && name(other) === name(key)) ? `${name(key)} @${key.revision}` : name(key);
};

function plane(found, colors, joint, a) {
  const centres = (edges) => edges.slice(1).map((edge, i) => (edge + edges[i]) / 2);
  const most = Math.max(1, ...joint.counts.flat());
  const ticks = [...[1, 10, 100, 1000, 10000, 100000].filter((n) => 2 * n <= most || n === 1), ...(most > 1 ? [most] : [])];
  const ranks = found.scale === "percentile";
  const name = (key) => `${key.precision}${key.quantization === "none" ? "" : ` ${key.quantization}`}`;
  const axis = (letter, key, edges) => ({ title: { text: `${letter}: ${name(key)}, ${ranks ? "rank in %" : "score"}`, standoff: 6 }, range: [edges[0], edges.at(-1)], zeroline: false, showgrid: false, fixedrange: true });
  const text = joint.counts.map((row, i) => row.map((n, j) => `A ${fmt.number(joint.first_edges[j], 2)} to ${fmt.number(joint.first_edges[j + 1], 2)}<br>B ${fmt.number(joint.second_edges[i], 2)} to ${fmt.number(joint.second_edges[i + 1], 2)}<br>${fmt.ofN(n, a.shared)} records`));
  // A count of one must be seen beside a count of thousands: colours follow the logarithm.
  const data = [{ type: "heatmap", x: centres(joint.first_edges), y: centres(joint.second_edges), z: joint.counts.map((row) => row.map((n) => (n ? Math.log10(n) : null))), text, hoverinfo: "text", hoverongaps: false, xgap: 1, ygap: 1, zmin: 0, zmax: Math.max(0.3, Math.log10(most)),
    colorscale: [[0, colors.accentSoft], [1, colors.accent]], colorbar: { thickness: 8, len: 0.6, outlinewidth: 0, tickvals: ticks.map(Math.log10), ticktext: ticks.map((n) => fmt.int(n)), tickfont: { size: 11, color: colors.ink3 }, title: { text: "records", font: { size: 11, color: colors.ink3 } } } }];
  return { data, layout: { margin: { l: 46, r: 4, t: 6, b: 40 }, hovermode: "closest", xaxis: axis("A", found.first, joint.first_edges), yaxis: axis("B", found.second, joint.second_edges), shapes: cuts(found, colors, ranks) } };
}

/** Where each key cuts: one line where the share is cut over all types, one a type on the score scale. */
function cuts(found, colors, ranks) {
  const groups = found.agreement.groups.filter((group) => group.first_cut !== null);
  if (ranks && groups.length !== 1) return [];
  return groups.flatMap((group) => {
    const [first, second] = ranks ? [100 * (1 - found.agreement.share), 100 * (1 - found.agreement.share)] : [group.first_cut, group.second_cut];
    const line = { color: colors.types[group.group] ?? colors.ink, width: 1.2, dash: "3px,3px" };
    return [{ type: "line", xref: "x", yref: "paper", x0: first, x1: first, y0: 0, y1: 1, line }, { type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: second, y1: second, line }];
  });
}
