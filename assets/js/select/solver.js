// "14,000 records, these shares per type, at most one an image": the sheet that finds the cuts, shows the curve of equal yield, and says what can't be.
import { api, chart, debounce, el, fill, fmt, icon, problem } from "../studio.js";
import { TYPES } from "./cube.js";
import { desk, replaceSpec } from "./desk.js";
import { apportion, withShare } from "./shares.js";
import { latest, openSheet, readWhole, segments } from "./sheet.js";

const AUTHORS = 0.3; // share of each stage in arXiv 2409.18541
const SETTLE_MS = 180;
const remembered = { id: null, wish: null }; // the wish stays while the page does

const label = (type) => desk.info.types.find((one) => one.id === type)?.label ?? type;

/** The wish to begin with: as many as are kept now, types as they are. */
function firstWish() {
  const rows = desk.live.funnel.filter((row) => TYPES.includes(row.group));
  const parts = apportion(rows.map((row) => row.imported));
  return { total: Math.max(1, desk.live.counts.kept), own: false, shares: Object.fromEntries(TYPES.map((type, i) => [type, parts[i]])), per_image: desk.spec.per_image, per_cluster: desk.spec.per_cluster ?? null, balance: 0.5 };
}

/** Open the sheet. */
export function openSolver() {
  if (remembered.id !== desk.id) Object.assign(remembered, { id: desk.id, wish: firstWish() });
  const wish = remembered.wish;
  const sheet = openSheet("Find the cuts for a number of records", { name: "solver", lead: "Say what you need; the cuts that give exactly that are found, with all the ways to be strict with questions or with answers." });
  const answerOf = latest();
  let found = null, point = null;

  // --- the wish
  const wrong = el("p", { class: "bad-text small-text", role: "alert", hidden: true });
  const whole = (name, text, placeholder, title) => {
    const field = el("input", { class: "input num", type: "text", inputmode: "numeric", autocomplete: "off", value: wish[name] === null ? "" : fmt.int(wish[name]), placeholder, "aria-label": title, on: { input: () => {
      const { value, problem: why } = readWhole(field.value);
      const bad = why ?? (value === null && name === "total" ? "Type how many records you need" : "");
      field.setAttribute("aria-invalid", String(Boolean(bad)));
      wrong.hidden = !bad;
      wrong.textContent = bad ? `${bad}. Nothing was changed.` : "";
      if (!bad && value !== wish[name]) { wish[name] = value; soon(); }
    } } });
    return el("label", { class: "tool-field" }, el("span", { text }), field);
  };
  const sliders = new Map();
  const mix = segments("Types", [["as", "As they are", "Each type with its share of the data set"], ["own", "Shares of my own"]], wish.own ? "own" : "as", (value) => { wish.own = value === "own"; drawShares(); soon(); });
  const shares = el("div", { class: "share-list" }, TYPES.map((type) => {
    const range = el("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": `Share of ${label(type)}, in per cent`, on: { input: () => { wish.shares = withShare(wish.shares, type, Number(range.value)); wish.own = true; mix.set("own"); drawShares(); soon(); } } });
    const told = el("output", { class: "num" });
    sliders.set(type, { range, told });
    return el("label", { class: `share-row ${type}` }, el("span", { class: `dot ${type}` }), el("span", { class: "clip", text: label(type) }), range, told);
  }));
  const drawShares = () => {
    shares.classList.toggle("resting", !wish.own);
    const rows = desk.live.funnel.filter((row) => TYPES.includes(row.group));
    const natural = apportion(rows.map((row) => row.imported));
    TYPES.forEach((type, i) => { const value = wish.own ? wish.shares[type] : natural[i]; sliders.get(type).range.value = value; sliders.get(type).told.textContent = `${value} %`; });
  };
  const balance = el("input", { type: "range", min: 0, max: 1, step: 0.01, value: wish.balance, "aria-label": "Balance: 0 lets the question cut do all the work, 1 the answer cut", on: { input: () => { wish.balance = Number(balance.value); soon(); } } });
  const form = el("form", { class: "tool-form", on: { submit: (event) => event.preventDefault() } },
    whole("total", "Records", "14,000", "Records to keep"), wrong,
    el("div", { class: "tool-field" }, el("span", { text: "Of each type" }), mix.node, shares),
    el("div", { class: "tool-pair" }, whole("per_image", "Per image at most", "any", "At most this many records per image"), whole("per_cluster", "Per cluster at most", "any", "At most this many records per cluster of the map")),
    el("div", { class: "tool-field" }, el("span", { text: "Strict with" }), balance, el("div", { class: "row apart small-text quiet" }, el("span", { text: "questions" }), el("span", { text: "both alike" }), el("span", { text: "answers" }))));

  // --- the answer
  const plot = el("div", { class: "solver-curve" }), plotNote = el("p", { class: "quiet small-text" });
  const table = el("div", {}), obstacles = el("div", { class: "stack tight" }), trouble = el("div", {});
  const answer = el("div", { class: "tool-answer" }, trouble, obstacles, el("section", {}, el("h3", { text: "All the ways to keep that many" }), plot, plotNote), table);
  fill(sheet.body, el("div", { class: "tool-split" }, form, answer));
  drawShares();

  const chosen = () => point ?? { question: found.question ?? null, answer: found.answer ?? null, kept: found.reached, spec: found.spec };
  function draw() {
    const now = chosen();
    chart(plot, (c) => ({
      data: [
        { type: "scatter", mode: "lines+markers", x: found.curve.map((one) => one.question), y: found.curve.map((one) => one.answer), line: { color: c.accent, width: 2, shape: "spline", smoothing: 0.4 }, marker: { color: c.accent, size: 7 }, hovertemplate: "question %{x:.1%}, answer %{y:.1%}<extra>click to take</extra>" },
        { type: "scatter", mode: "markers+text", x: [AUTHORS], y: [AUTHORS], text: ["authors’ 0.3 × 0.3"], textposition: "top right", textfont: { color: c.ink3, size: 11 }, marker: { color: c.ink3, size: 9, symbol: "diamond-open", line: { width: 1.5 } }, hovertemplate: "the authors’ shares: 30 % × 30 %<extra></extra>" },
        now.question === null ? {} : { type: "scatter", mode: "markers", x: [now.question], y: [now.answer], marker: { color: c.card, size: 13, line: { color: c.accent, width: 3 } }, hoverinfo: "skip" },
      ],
      layout: { height: 250, margin: { l: 50, r: 10, t: 8, b: 40 }, hovermode: "closest", xaxis: { title: { text: "passes the question cut" }, tickformat: ".0%", range: [-0.02, 1.04], zeroline: false }, yaxis: { title: { text: "passes the answer cut" }, tickformat: ".0%", range: [-0.04, 1.08], zeroline: false } },
    })).then(() => {
      if (plot.dataset.bound) return;
      plot.dataset.bound = "1";
      plot.on("plotly_click", ({ points }) => { const hit = points.find((one) => one.curveNumber === 0); if (hit && found) { point = found.curve[hit.pointNumber]; draw(); } });
    });
    plotNote.textContent = found.curve.length > 1 ? "Every point of the line keeps the same number. Click one to take it; the ring is the one in use." : "There is only one way to keep that many.";
    const total = (key) => TYPES.reduce((sum, type) => sum + found[key][type], 0);
    const of = (type) => desk.live.funnel.find((row) => row.group === type).imported;
    const row = (name, wanted, reached, all, cls) => el("tr", { class: wanted === reached ? "" : "short" }, el("td", {}, cls ? el("span", { class: `dot ${cls}` }) : null, ` ${name}`), el("td", { class: "n", text: fmt.int(wanted) }), el("td", { class: "n", text: fmt.int(reached) }), el("td", { class: "n quiet", text: fmt.int(all) }));
    fill(table, el("table", { class: "table solver-table" }, el("thead", {}, el("tr", {}, ["Type", "Wanted", "Reached", "In the data set"].map((text, i) => el("th", { class: i ? "n" : "", text })))),
      el("tbody", {}, TYPES.map((type) => row(label(type), found.wanted[type], found.by_type[type], of(type), type)), row("All types", total("wanted"), found.reached, desk.cube.n, ""))));
    fill(obstacles, found.impossible.length ? el("div", { class: "solver-obstacle" }, icon("warn"), el("div", {}, el("p", { class: "strong", text: `Not all of this can be; the nearest that can keeps ${fmt.int(found.reached)}.` }), found.impossible.map((one) => el("p", {}, one.why, el("span", { class: "quiet", text: ` ${one.way_out}` }))))) : null);
    fill(trouble);
    const use = el("button", { type: "button", class: "btn primary", disabled: now.kept === 0, text: "Use these cuts", on: { click: () => {
      const { question_key, answer_key, seed, diverse } = desk.spec;
      sheet.close();
      replaceSpec({ ...now.spec, question_key, answer_key, seed: now.spec.seed ?? seed, diverse: diverse ?? null }, `Cuts for ${fmt.plural(now.kept, "record")}`);
    } } });
    sheet.foot(el("p", { class: "grow num" }, el("b", { text: fmt.ofN(now.kept, wish.total) }), " wanted", now.question === null ? "" : el("span", { class: "quiet", text: ` · ${percent(now.question)} of the questions × ${percent(now.answer)} of the answers` })),
      el("button", { type: "button", class: "btn", text: "Cancel", on: { click: sheet.close } }), use);
  }
  const failed = (error) => { fill(trouble, problem(error)); sheet.foot(); };
  const ask = () => sheet.alive() && answerOf(
    () => api.post("/api/solver/solve", { dataset: desk.id, total: wish.total, shares: wish.own ? Object.fromEntries(TYPES.map((type) => [type, wish.shares[type] / 100])) : null, per_image: wish.per_image, ...(wish.per_cluster ? { per_cluster: wish.per_cluster } : {}), balance: wish.balance }),
    (told) => { if (!sheet.alive()) return; found = { ...told, wanted: told.wanted ?? told.by_type }; point = null; draw(); }, failed);
  const soon = debounce(ask, SETTLE_MS);
  ask();
}

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
