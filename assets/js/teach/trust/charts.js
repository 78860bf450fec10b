// The charts of the trust panel, in the theme's colours. Names that people typed are shown as they are: the chart library reads markup.
import { fmt } from "../../studio.js";

const plain = (text, most = 40) => { const cut = text.length > most ? `${text.slice(0, most - 1)}…` : text; return cut.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"); };
const hundred = (value) => 100 * value;
const bars = (rows, colors, way) => ({ type: "data", symmetric: false, array: rows.map((row) => hundred(row.high - row.value)), arrayminus: rows.map((row) => hundred(row.value - row.low)), color: colors.ink3, thickness: 1.3, width: way === "x" ? 5 : 4 });
const line = (x0, y0, x1, y1, colors, refs = {}) => ({ type: "line", x0, y0, x1, y1, line: { color: colors.ink3, width: 1.2, dash: "3px,3px" }, layer: "below", ...refs });
const flatAxis = { fixedrange: true, zeroline: false };
const named = { ...flatAxis, autorange: "reversed", showgrid: false, ticklabelstandoff: 6 };

/** Shares with intervals, upright by label or flat with one row a label; rows without a value leave their place empty. */
export function shareChart(rows, colors, { flat = false } = {}) {
  const known = rows.filter((row) => row.value !== null), values = known.map((row) => hundred(row.value)), labels = known.map((row) => plain(row.label));
  const text = known.map((row) => `${plain(row.label, 80)}<br>${fmt.number(hundred(row.value), 1)} % (${fmt.number(hundred(row.low), 1)} to ${fmt.number(hundred(row.high), 1)})<br>${fmt.plural(row.n, "pair")}, ${fmt.plural(row.images, "image")}`);
  const range = [Math.min(30, ...known.map((row) => hundred(row.low) - 3)), 100];
  const share = { ...flatAxis, range, ticksuffix: " %", nticks: 6 };
  const data = [{ type: "scatter", mode: "markers", [flat ? "x" : "y"]: values, [flat ? "y" : "x"]: labels, [flat ? "error_x" : "error_y"]: bars(known, colors, flat ? "x" : "y"), text, hoverinfo: "text", marker: { color: colors.accent, size: 9 } }];
  const shapes = [flat ? line(50, 0, 50, 1, colors, { yref: "paper" }) : line(0, 50, 1, 50, colors, { xref: "paper" })];
  return { data, layout: { hovermode: "closest", shapes, margin: flat ? { l: 10, r: 12, t: 6, b: 28 } : { l: 46, r: 12, t: 8, b: 30 }, xaxis: flat ? share : { ...flatAxis, showgrid: false, type: "category", categoryarray: rows.map((row) => plain(row.label)), categoryorder: "array", range: [-0.5, rows.length - 0.5] }, yaxis: flat ? named : share } };
}

export function calibrationChart(found, colors) {
  const at = found.predicted.map((value, i) => ({ predicted: hundred(value), preferred: hundred(found.preferred[i]), n: found.counts[i], low: found.low[i], high: found.high[i] }));
  const biggest = Math.max(...found.counts);
  const trace = (points, marker, mode) => ({ type: "scatter", mode, x: points.map((p) => p.predicted), y: points.map((p) => p.preferred), line: { color: colors.accent, width: 1.5 }, hoverinfo: "text", marker,
    text: points.map((p) => `Predicted ${fmt.number(p.predicted, 0)} %, preferred ${fmt.number(p.preferred, 0)} %<br>${fmt.plural(p.n, "pair")}${p.high === null ? ": too few to go by" : ""}`) });
  const enough = at.filter((p) => p.high !== null), few = at.filter((p) => p.high === null); // few: shown hollow, off the line
  const data = [{ ...trace(enough, { color: colors.accent, size: enough.map((p) => 7 + 9 * Math.sqrt(p.n / biggest)) }, "lines+markers"),
    error_y: { type: "data", symmetric: false, array: enough.map((p) => hundred(p.high) - p.preferred), arrayminus: enough.map((p) => p.preferred - hundred(p.low)), color: colors.ink3, thickness: 1.2, width: 4 } },
  trace(few, { color: "rgba(0,0,0,0)", size: 7, line: { color: colors.ink3, width: 1.2 } }, "markers")];
  return { data, layout: { hovermode: "closest", shapes: [line(50, 50, 100, 100, colors)], margin: { l: 52, r: 12, t: 8, b: 44 }, xaxis: { ...flatAxis, range: [48, 102], ticksuffix: " %", title: { text: "predicted preference for the one it favours", standoff: 8 } },
    yaxis: { ...flatAxis, range: [Math.min(28, ...at.map((p) => p.preferred - 5)), 103], ticksuffix: " %", title: { text: "preferred by people", standoff: 6 } } } };
}

export function correlationChart(rows, colors) {
  const data = [{ type: "bar", orientation: "h", x: rows.map((row) => row.value), y: rows.map((row) => plain(row.label)), width: 0.45, marker: { color: rows.map((row) => (Math.abs(row.value) >= 0.2 ? colors.warn : colors.accent)) },
    text: rows.map((row) => `${plain(row.label)}: ${fmt.number(row.value, 3)}<br>${fmt.plural(row.n, "text")}`), textposition: "none", hoverinfo: "text" }];
  return { data, layout: { hovermode: "closest", margin: { l: 10, r: 12, t: 6, b: 28 }, shapes: [line(0, 0, 0, 1, colors, { yref: "paper" })], xaxis: { ...flatAxis, range: [-1, 1], tickvals: [-1, -0.5, 0, 0.5, 1], ticktext: ["−1", "−0.5", "0", "0.5", "1"] }, yaxis: named } };
}

export function refusalChart(rows, colors) {
  const y = rows.map((row) => plain(row.label));
  const data = [{ type: "scatter", mode: "markers", name: "median", x: rows.map((row) => row.median_percentile), y, marker: { color: colors.accent, size: 10 }, text: rows.map((row) => `Median refusal at ${fmt.number(row.median_percentile, 0)} %`), hoverinfo: "text" },
    { type: "scatter", mode: "markers", name: "highest", x: rows.map((row) => row.highest_percentile), y, marker: { color: colors.bad, size: 9, symbol: "diamond" }, text: rows.map((row) => `Highest refusal at ${fmt.number(row.highest_percentile, 0)} %`), hoverinfo: "text" }];
  return { data, layout: { hovermode: "closest", showlegend: true, legend: { y: 1, yanchor: "bottom" }, margin: { l: 10, r: 12, t: 26, b: 28 }, shapes: [line(50, 0, 50, 1, colors, { yref: "paper" })], xaxis: { ...flatAxis, range: [-2, 102], ticksuffix: " %" }, yaxis: named } };
}

export function raterChart(rows, colors) {
  const y = rows.map((row) => plain(row.rater, 28));
  const beside = rows.filter((row) => row.people !== null);
  const data = [{ type: "scatter", mode: "markers", name: "this scorer", x: rows.map((row) => hundred(row.scorer.value)), y, error_x: bars(rows.map((row) => row.scorer), colors, "x"), marker: { color: colors.accent, size: 9 }, text: rows.map((row) => `${plain(row.rater)}: scorer ${fmt.number(hundred(row.scorer.value), 1)} % of ${fmt.plural(row.scorer.n, "pair")}`), hoverinfo: "text" },
    { type: "scatter", mode: "markers", name: "other raters", x: beside.map((row) => hundred(row.people)), y: beside.map((row) => plain(row.rater, 28)), marker: { color: colors.ink, size: 9, symbol: "diamond" }, text: beside.map((row) => `${plain(row.rater)}: other people ${fmt.number(hundred(row.people), 1)} % of ${fmt.plural(row.people_pairs, "pair")}`), hoverinfo: "text" }];
  return { data, layout: { hovermode: "closest", showlegend: true, legend: { y: 1, yanchor: "bottom" }, margin: { l: 10, r: 12, t: 26, b: 28 }, shapes: [line(50, 0, 50, 1, colors, { yref: "paper" })], xaxis: { ...flatAxis, range: [Math.min(30, ...rows.map((row) => hundred(row.scorer.low) - 3)), 102], ticksuffix: " %" }, yaxis: named } };
}

export function looksChart(share, colors) {
  const data = [{ type: "scatter", mode: "markers", x: [hundred(share.value)], y: ["falls"], error_x: bars([share], colors, "x"), marker: { color: colors.accent, size: 11 }, text: [`${fmt.number(hundred(share.value), 1)} % of ${fmt.plural(share.n, "record")}`], hoverinfo: "text" }];
  return { data, layout: { hovermode: "closest", margin: { l: 14, r: 14, t: 8, b: 30 }, shapes: [line(50, 0, 50, 1, colors, { yref: "paper" })], xaxis: { ...flatAxis, range: [0, 101], tickvals: [0, 25, 50, 75, 100], ticktext: ["0 %", "25 %", "50 %: blind", "75 %", "100 %"] }, yaxis: { ...flatAxis, showticklabels: false, showgrid: false, ticks: "" } } };
}

export function driftChart(rows, colors) {
  const y = rows.map((row) => `${plain(row.adapter, 26)} · ${plain(row.label.split(" · ")[2] ?? "", 12)}`);
  const data = [{ type: "bar", orientation: "h", x: rows.map((row) => row.spearman), y, width: 0.4, marker: { color: colors.accent }, text: rows.map((row) => `${plain(row.label, 90)}<br>Spearman ${fmt.number(row.spearman, 3)}, ${fmt.plural(row.shared, "record")}`), textposition: "none", hoverinfo: "text" }];
  return { data, layout: { hovermode: "closest", margin: { l: 10, r: 12, t: 6, b: 28 }, xaxis: { ...flatAxis, range: [Math.min(0, ...rows.map((row) => row.spearman)), 1], nticks: 6 }, yaxis: named } };
}
