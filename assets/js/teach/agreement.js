// The Agreement room: how far raters agree, each two of them, each one's manner, and what they should settle.
import { api, el, empty, emit, fill, fmt, icon, problem, studio, tell } from "../studio.js";
import { Disputes } from "./agreement/disputes.js";
import { kindSwitch, teachKind } from "./kind.js";

export const room = { id: "agreement", title: "Agreement", hint: "How far raters agree, and what they should settle.", mount };

const WAYS = { score: "scored", rank: "ranked", pairs: "by pairs", hallucination: "by inventions", import: "from files" };

function mount(node) {
  const bar = el("div", { class: "row" }), figures = el("div", { class: "stack" }), list = el("div", { class: "stack" });
  fill(node, el("div", { class: "stack ag-room" }, bar, figures, list));
  let asked = 0, disputes = null;

  async function open() {
    const turn = ++asked, dataset = studio.dataset.id, now = teachKind();
    fill(bar, kindSwitch(now, open));
    if (!figures.childElementCount) fill(figures, el("div", { class: "skeleton rt-skeleton" }));
    try {
      const found = await api.get("/api/rating-agreement", { dataset, kind: now });
      if (turn !== asked) return;
      if (!found.raters) {
        fill(list);
        return fill(figures, el("div", { class: "card" }, empty({ title: "Nobody has rated yet", text: `Rate some ${now}s; a second rater gets a share of the same ones, and this room shows how far you agree.`, icon: "check", action: { label: "Go to Rate", run: () => emit("teach-room", "rate") } })));
      }
      draw(found);
      disputes = new Disputes(list, { dataset, kind: now, changed: () => api.get("/api/rating-agreement", { dataset, kind: now }).then((fresh) => { if (turn === asked) draw(fresh); }).catch(tell) });
      await disputes.load();
    } catch (error) {
      if (turn === asked) { fill(figures, problem(error)); fill(list); }
    }
  }

  function draw(found) {
    const ways = Object.entries(found.modes);
    fill(figures, el("p", { class: "quiet num", text: `${fmt.plural(found.raters, "rater")} on ${fmt.plural(found.items, "item")}; ${fmt.ofN(found.shared_items, found.items)} rated by two or more${ways.length ? ` · ${ways.map(([way, n]) => `${fmt.int(n)} ${WAYS[way] ?? way}`).join(", ")}` : ""}` }),
      found.shared_items ? null : el("div", { class: "card ag-alone" }, icon("info"), el("p", { text: "No item has two raters yet, so agreement can't be computed. Let a second person rate under another name: the common items come by themselves." })),
      el("div", { class: "ag-grid" }, alphaCard(found), el("div", { class: "stack" }, pairCard(found), mannerCard(found))));
  }

  return { open, close: () => { asked++; } };
}

function alphaCard(found) {
  const scale = (value) => el("div", { class: "ag-scale", role: "img", "aria-label": value === null ? "not computed" : `alpha ${fmt.number(value)}` },
    el("i", { class: "ag-line", style: { left: "66.7%" }, title: ".667: tentative" }), el("i", { class: "ag-line", style: { left: "80%" }, title: ".8: reliable" }),
    value === null ? null : el("b", { style: { width: `${Math.max(0, Math.min(1, value)) * 100}%` }, class: value >= 0.8 ? "good" : value >= 0.667 ? "fair" : "poor" }));
  return el("section", { class: "card stack" }, el("div", {}, el("h2", { text: "Agreement beyond chance" }), el("p", { class: "small-text quiet", text: "Krippendorff's alpha, interval: 1 is perfect, 0 is chance. The marks stand at .667 and .8." })),
    el("div", { class: "stack ag-alphas" }, found.alphas.map((alpha) => el("div", { class: `ag-alpha ${alpha.criterion === "overall" ? "overall" : ""}` },
      el("div", { class: "row apart nowrap" }, el("span", { class: "ag-name", text: alpha.label }), el("span", { class: "num quiet small-text", text: alpha.units ? `${fmt.plural(alpha.units, "candidate")}, ${fmt.plural(alpha.raters, "rater")}` : "no shared candidate" })),
      alpha.units ? el("div", { class: "ag-bar" }, scale(alpha.value), el("b", { class: "num", text: fmt.number(alpha.value) })) : null,
      alpha.units ? el("p", { class: `small-text ${alpha.small ? "warn-text" : "quiet"}`, text: alpha.reading }) : null))));
}

function pairCard(found) {
  const rows = found.pairs.map((pair) => el("tr", {}, el("td", {}, el("span", { class: "ag-two" }, el("span", { class: "clip", title: pair.first, text: pair.first }), el("span", { class: "quiet", text: "and" }), el("span", { class: "clip", title: pair.second, text: pair.second }))),
    el("td", { class: "n", title: "Candidate pairs both order strictly, and the share they order the same way" }, pair.share === null ? "–" : `${fmt.share(pair.alike, pair.ordered)}`, el("span", { class: "quiet", text: ` · ${fmt.ofN(pair.alike, pair.ordered)}` }), pair.small ? el("span", { class: "chip warn ag-small", text: "small" }) : null),
    el("td", { class: "n", text: fmt.int(pair.tied) }), el("td", { class: "n", text: fmt.int(pair.items) })));
  return el("section", { class: "card stack tight" }, el("h2", { text: "Each two raters" }), rows.length ? el("table", { class: "table" }, el("thead", {}, el("tr", {}, el("th", { text: "Raters" }), el("th", { class: "n", text: "Pairs ordered alike" }), el("th", { class: "n", text: "Tied" }), el("th", { class: "n", text: "Items" }))), el("tbody", {}, rows))
    : el("p", { class: "quiet small-text", text: "No two raters share an item yet." }), rows.some((_, i) => found.pairs[i].small) ? el("p", { class: "small-text quiet", text: `Small: fewer than ${found.few_pairs} pairs, so a few items decide it. Guessing gives 50 %.` }) : null);
}

function mannerCard(found) {
  return el("section", { class: "card stack tight" }, el("h2", { text: "Each rater" }), el("table", { class: "table" },
    el("thead", {}, el("tr", {}, el("th", { text: "Rater" }), ["Rated", "Skipped", "Mean", "Spread", "Seconds", "Settled"].map((text) => el("th", { class: "n", text })))),
    el("tbody", {}, found.manners.map((one) => el("tr", {}, el("td", {}, el("span", { class: "clip ag-rater", title: one.rater, text: one.rater })), el("td", { class: "n", text: fmt.int(one.rated) }), el("td", { class: "n", text: fmt.int(one.skipped) }),
      el("td", { class: "n", title: `of ${fmt.plural(one.scores, "score")}`, text: fmt.number(one.mean) }), el("td", { class: "n", title: "Standard deviation", text: fmt.number(one.spread) }), el("td", { class: "n", title: "Median a rating", text: one.seconds === null ? "–" : fmt.number(one.seconds, 1) }), el("td", { class: "n", text: fmt.int(one.settled) }))))));
}
