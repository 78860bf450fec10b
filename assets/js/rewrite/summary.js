// What a run came to: counts, the style gap before and after, why originals were kept, which guard stopped how many drafts.
import { chart, el, empty, fill, fmt } from "../studio.js";

export class Summary {
  constructor(node) {
    Object.assign(this, { node, sums: null, drawn: null });
  }

  draw(sums) {
    this.sums = sums;
    const signature = JSON.stringify(sums);
    if (signature === this.drawn) return;
    this.drawn = signature;
    if (!sums.texts) return fill(this.node, empty({ title: "No run yet", text: "After a run this shows how many texts were rewritten, why the others were kept, and how far the style moved.", icon: "text" }));
    const part = (name, label) => el("p", { class: "small-text quiet", text: `${label}: ${fmt.ofN(sums.parts[name].proposed, sums.parts[name].texts)}` });
    const verdict = (name) => fmt.int(sums.verdicts[name] ?? 0);
    const tile = (value, label, ...more) => el("div", { class: "card rw-tile" }, el("div", { class: "rw-big num", text: value }), el("p", { class: "strong", text: label }), more);
    const { style } = sums;
    fill(this.node,
      el("div", { class: "cols-3 rw-tiles" },
        tile(fmt.ofN(sums.proposed, sums.texts), "texts with a proposal", part("question", "Questions"), part("answer", "Answers")),
        tile(fmt.ofN(sums.origins.model ?? 0, sums.proposed), "proposals written by the model", el("p", { class: "small-text quiet", text: `${fmt.int(sums.origins.edit ?? 0)} are small edits it ranked. ${fmt.int(sums.drafts)} drafts in all.` })),
        tile(`${verdict("accepted")} · ${verdict("edited")} · ${verdict("rejected")}`, "accepted · edited · rejected", el("p", { class: "small-text quiet", text: `${fmt.int(sums.verdicts.pending ?? 0)} of ${fmt.int(sums.proposed)} proposals wait for you.` }))),
      el("section", { class: "card stack tight" }, el("div", { class: "row apart" }, el("h2", { text: "Style gap" }), el("span", { class: "small-text quiet", text: "mean loss under the inner LLM, nats a token; lower is closer to how it writes" })),
        style.proposed ? [this.line("Where a rewrite is proposed", style.proposed), this.plot = el("div", { class: "rw-plot" }), this.line("Over all measured texts, originals where kept", style.all)]
          : el("p", { class: "quiet", text: style.all ? `No text would change. The originals stand at ${fmt.number(style.all.median_before)} (median of ${fmt.int(style.all.n)}).` : "Nothing was measured." })),
      el("div", { class: "cols-2" },
        el("section", { class: "card stack tight" }, el("h2", { text: `Why ${fmt.plural(sums.kept, "original was", "originals were")} kept` }), bars(sums.reasons.map((r) => [r.label, r.count]), sums.kept, "Every text has a proposal.")),
        el("section", { class: "card stack tight" }, el("h2", { text: "Drafts each guard stopped" }), bars(sums.stops.map((s) => [s.guard, s.count]), sums.drafts, "No guard stopped a draft."))));
    this.drawCharts();
  }

  line(label, found) {
    return el("p", { class: "small-text" }, `${label}: median `, el("b", { class: "num", text: fmt.number(found.median_before) }), " → ", el("b", { class: "num good-text", text: fmt.number(found.median_after) }), el("span", { class: "quiet", text: ` (${fmt.plural(found.n, "text")})` }));
  }

  drawCharts() {
    const found = this.sums?.style?.proposed;
    if (!found || !this.plot || this.plot.offsetParent === null) return;
    const middle = found.edges.slice(0, -1).map((edge, i) => (edge + found.edges[i + 1]) / 2), width = found.edges[1] - found.edges[0];
    const line = (x, color, text, anchor) => [{ type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line: { color, width: 1.5, dash: "dot" } }, { x, y: 1, yref: "paper", yanchor: "bottom", xanchor: anchor, text, showarrow: false, font: { size: 11, color } }];
    chart(this.plot, (c) => {
      const left = found.median_after <= found.median_before;
      const marks = [line(found.median_before, c.ink2, `before ${fmt.number(found.median_before)}`, left ? "left" : "right"), line(found.median_after, c.accent, `after ${fmt.number(found.median_after)}`, left ? "right" : "left")];
      return {
        data: [{ type: "bar", x: middle, y: found.before, width, name: "before", marker: { color: c.ink3, opacity: 0.45 }, hovertemplate: "%{y} before<extra></extra>" }, { type: "bar", x: middle, y: found.after, width, name: "after", marker: { color: c.accent, opacity: 0.6 }, hovertemplate: "%{y} after<extra></extra>" }],
        layout: { barmode: "overlay", shapes: marks.map(([shape]) => shape), annotations: marks.map(([, note]) => note), margin: { t: 26, b: 38 }, xaxis: { title: { text: "nats a token" } }, yaxis: { title: { text: "texts" }, rangemode: "tozero", tickformat: "d", dtick: Math.max(...found.before, ...found.after) < 6 ? 1 : undefined } },
      };
    });
  }
}

/** Labelled bars, each n of N. */
function bars(rows, of, none) {
  if (!rows.length) return el("p", { class: "quiet", text: none });
  const most = Math.max(...rows.map(([, n]) => n));
  return el("ul", { class: "rw-bars" }, rows.map(([label, n]) => el("li", {}, el("span", { class: "clip", title: label, text: label }), el("div", { class: "meter-bar" }, el("div", { style: { width: `${(100 * n) / most}%` } })),
    el("span", { class: "num small-text", text: `${fmt.ofN(n, of)}` }))));
}
