// The sections of a trust report: a title, one sentence of what it means, a chart where there is enough data, and its n.
import { chart, el, fmt, meter } from "../../studio.js";
import { percent } from "../trial/candidates.js";
import { calibrationChart, correlationChart, driftChart, looksChart, raterChart, refusalChart, shareChart } from "./charts.js";

/** A card. `make(colors)` gives the chart; without it `needs` says how far the data is: [n, needed, of what]. */
function section(id, title, words, { make = null, height = 220, needs = null, foot = "", label = "" }) {
  const plot = make ? el("div", { class: "tu-plot", style: { height: `${height}px` }, role: "img", "aria-label": `${label || title}. ${words}` }) : null;
  if (plot) chart(plot, make, { staticPlot: false });
  return el("section", { class: "card tu-section", "aria-label": title, data: { section: id } }, el("h3", { text: title }), el("p", { class: "tu-words", text: words }),
    plot ?? (needs ? el("div", { class: "tu-needs" }, meter(Math.min(needs[0], needs[1]), needs[1]), el("p", { class: "small-text quiet", text: needs[2] })) : null),
    foot ? el("p", { class: "small-text quiet num", text: foot }) : null);
}

const told = (rows) => rows.filter((row) => row.value !== null);
const most = (rows) => Math.max(0, ...rows.map((row) => row.n));
const counts = (rows) => rows.map((row) => `${row.label}: ${fmt.int(row.n)}${row.value === null ? ` (${fmt.int(row.needed)} needed)` : ""}`).join(" · ");

const gaps = ({ gaps: found }) => section("gaps", "By how far apart people rated the two", found.words, {
  make: told(found.rows).length ? (colors) => shareChart(found.rows, colors) : null, needs: [most(found.rows), 20, "pairs at one distance"], foot: `Pairs: ${counts(found.rows)}` });

const kinds = ({ kinds: found }) => section("kinds", "By kind of pair", found.words, {
  make: told(found.rows).length ? (colors) => shareChart(found.rows, colors, { flat: true }) : null, height: 46 + 32 * told(found.rows).length, needs: [most(found.rows), 20, "pairs of one kind"],
  foot: told(found.rows).length < found.rows.length ? `Too few: ${counts(found.rows.filter((row) => row.value === null))}` : "Each pair is in several groups." });

const calibration = ({ calibration: found }) => section("calibration", "Is its confidence earned?", found.words, {
  make: found.error === null ? null : (colors) => calibrationChart(found, colors), height: 250, needs: [found.n, found.needed, "pairs with a difference"],
  foot: found.error === null ? "" : `${fmt.plural(found.n, "pair")}${found.level ? `, ${fmt.int(found.level)} level ones left out` : ""}; expected calibration error ${fmt.number(100 * found.error, 1)} points; score differences should be multiplied by ${fmt.number(found.stretch, 2)}.` });

const correlations = ({ correlations: found }) => section("correlations", "Does it lean on length?", found.words, {
  make: told(found.rows).length ? (colors) => correlationChart(told(found.rows), colors) : null, height: 40 + 34 * Math.max(1, told(found.rows).length), needs: [most(found.rows), 20, "scored texts"],
  foot: `Spearman; texts: ${counts(found.rows)}` });

const refusals = ({ refusals: found }) => { const known = found.rows.filter((row) => row.above !== null); return section("refusals", "What becomes of refusals?", found.words, {
  make: known.length ? (colors) => refusalChart(known, colors) : null, height: 56 + 38 * known.length, needs: [Math.max(0, ...found.rows.map((row) => row.refusals)), 3, "refusals among scored texts, such as “I'm sorry, I can't see the picture”"],
  foot: found.rows.map((row) => `${row.label}: ${fmt.int(row.refusals)} refusals of ${fmt.int(row.texts)}`).join(" · ") }); };

const raters = ({ raters: found }) => { const rows = found.rows.filter((row) => row.scorer.value !== null); return section("raters", "Does it agree with each rater?", found.words, {
  make: rows.length ? (colors) => raterChart(rows, colors) : null, height: 66 + 34 * rows.length, needs: [Math.max(0, ...found.rows.map((row) => row.scorer.n)), 20, "pairs of one rater that are new to this scorer"],
  foot: found.rows.map((row) => `${row.rater}: ${fmt.plural(row.scorer.n, "pair")}${row.people_pairs ? `, ${fmt.int(row.people_pairs)} shared with others` : ""}`).join(" · ") }); };

const looks = ({ looks: found }) => section("looks", "Does it look at the picture?", found.words, {
  make: found.share.value === null ? null : (colors) => looksChart(found.share, colors), height: 96, needs: [found.share.n, found.share.needed, "records with a picture"],
  foot: found.share.value === null ? "" : `${fmt.plural(found.share.n, "record")} on ${fmt.plural(found.share.images, "image")}${found.unscored ? `, ${fmt.int(found.unscored)} without a number` : ""}; the score falls by ${fmt.number(found.fall, 2)} standard deviations in the median. ${percent(found.share.value)} (${percent(found.share.low)} to ${percent(found.share.high)}).` });

const drift = ({ drift: found }) => { const rows = found.rows.filter((row) => row.spearman !== null); return section("drift", "How far other versions rank alike", found.words, {
  make: rows.length ? (colors) => driftChart(rows, colors) : null, height: 50 + 40 * Math.max(1, rows.length), needs: [0, 1, "other keys with scores of these records"],
  foot: found.rows.map((row) => `${row.adapter}: ${fmt.ofN(row.shared, row.total)} records${row.kept === null ? "" : `, both keep ${fmt.ofN(row.both, row.kept)} of the best ${Math.round(100 * row.share)} %`}`).join(" · ") }); };

export const SECTIONS = [gaps, calibration, kinds, correlations, raters, looks, refusals, drift];
