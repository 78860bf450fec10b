// Histograms of one stage: a row per instruction type over one common axis, each with its median and its n of N.
import { chart, el, fill, fmt } from "./studio.js";

const TITLES = { question: "Question scores", answer: "Answer scores" };
const NOTES = { question: "One a record, for its whole set of questions.", answer: "One a record: the best candidate a turn, mean over turns." };

/** A card with the chart of one kind; `draw(spread)` fills and updates it. */
export function spreadChart(kind) {
  const count = el("span", { class: "small-text quiet num" });
  const plot = el("div", { class: "spread-plot", role: "img" });
  const planted = el("span", { class: "planted num" });
  const note = el("div", { class: "spread-none" });
  const node = el("section", { class: "card spread", data: { kind } },
    el("div", { class: "row apart nowrap" }, el("h2", { text: TITLES[kind] }), count), el("p", { class: "small-text quiet row apart nowrap" }, el("span", { class: "clip", text: NOTES[kind] }), planted), plot, note);
  const draw = (spread, { running = false } = {}) => {
    const { all } = spread;
    count.textContent = `${fmt.ofN(all.scored, all.total)} scored · ${fmt.share(all.scored, all.total)}`;
    const p = spread.planted;
    planted.textContent = p ? `planted faults: AUC ${fmt.number(p.auc)}` : "";
    planted.title = p ? `This data set says which texts were given faults on purpose. A text without scores above one with them in ${fmt.share(p.auc, 1)} of ${fmt.int(p.good)} × ${fmt.int(p.faulty)} comparisons; 50 % is guessing.` : "";
    plot.hidden = !all.scored;
    note.hidden = all.scored > 0;
    fill(note, el("p", { class: "quiet", text: running ? "The first scores are on their way." : `No ${kind} scores under this key.` }));
    if (!all.scored) return;
    plot.setAttribute("aria-label", `${TITLES[kind]}: ${spread.groups.map((g) => `${g.label} ${fmt.ofN(g.scored, g.total)} scored, median ${fmt.number(g.median)}`).join("; ")}`);
    chart(plot, (colors) => figure(spread, colors));
  };
  return { node, draw };
}

function figure(spread, colors) {
  const groups = spread.groups.filter((group) => group.total > 0);
  const { edges } = spread;
  const centres = edges.slice(1).map((edge, i) => (edge + edges[i]) / 2);
  const width = edges[1] - edges[0];
  const gap = 0.11;
  const height = (1 - gap * groups.length) / groups.length;
  const most = Math.max(1, ...groups.flatMap((group) => group.counts));
  const layout = {
    margin: { l: 34, r: 8, t: 2, b: 30 }, hovermode: "closest", bargap: 0, shapes: [], annotations: [],
    xaxis: { range: [edges[0], edges.at(-1)], showgrid: false, zeroline: false, title: { text: "score, higher is better", standoff: 6 }, anchor: groups.length > 1 ? `y${groups.length}` : "y" },
  };
  const data = groups.map((group, i) => {
    const name = i === 0 ? "y" : `y${i + 1}`;
    const top = 1 - i * (height + gap) - gap;
    layout[i === 0 ? "yaxis" : `yaxis${i + 1}`] = { domain: [Math.max(0, top - height), top], range: [0, most * 1.06], nticks: 3, zeroline: false, fixedrange: true };
    const color = colors.types[group.group] || colors.accent;
    layout.annotations.push(
      { xref: "paper", yref: "paper", x: 0, y: top + gap * 0.82, xanchor: "left", yanchor: "top", showarrow: false, text: group.label, font: { size: 12.5, color: colors.ink } },
      { xref: "paper", yref: "paper", x: 1, y: top + gap * 0.82, xanchor: "right", yanchor: "top", showarrow: false, font: { size: 12, color: colors.ink2 },
        text: group.scored ? `${fmt.ofN(group.scored, group.total)} (${fmt.share(group.scored, group.total)}) · median ${fmt.number(group.median)}` : `0 of ${fmt.int(group.total)}` });
    if (group.median !== null) layout.shapes.push({ type: "line", xref: "x", yref: `${name} domain`, x0: group.median, x1: group.median, y0: 0, y1: 1.04, line: { color: colors.ink, width: 1.5, dash: "2px,2px" } });
    return { type: "bar", x: centres, y: group.counts, width: width * 0.92, xaxis: "x", yaxis: name, marker: { color, line: { width: 0 } }, customdata: edges.slice(1).map((edge, k) => [edges[k], edge]),
      hovertemplate: `%{customdata[0]:.2f} to %{customdata[1]:.2f}<br>%{y} of ${group.scored} ${group.label.toLowerCase()}<extra></extra>` };
  });
  return { data, layout };
}
