// A trial's report: two accuracies with their intervals, who changes sides at the cut, who rises and falls.
import { el, fill, fmt, icon } from "../../studio.js";
import { percent } from "./candidates.js";
import { Movers } from "./movers.js";
import { flow } from "./flow.js";

const LOW = 0.3, HIGH = 1;
const NARROWEST = 0.2;
const clamp = (share) => `${100 * Math.min(1, Math.max(0, share))}%`;
const at = (value) => clamp((value - LOW) / (HIGH - LOW));
const points = (value) => `${value > 0 ? "+" : ""}${fmt.number(100 * value, 1)}`;

export class Report {
  constructor() {
    this.movers = new Movers();
    this.node = el("div", { class: "stack tr-report" });
  }

  draw({ trial, report, stale }, dataset) {
    fill(this.node,
      el("div", { class: "row apart" }, el("div", {}, el("h1", { class: "tr-title" }, el("span", { text: report.candidate.name }), el("span", { class: "quiet", text: " beside " }), el("span", { text: report.present.name })),
        el("p", { class: "small-text quiet num", text: `${fmt.ofN(report.records, report.of)} records · ${fmt.when(trial.ended_at)} · took ${fmt.duration(report.seconds)} · ${report.candidate.precision}${report.candidate.quantization === "none" ? "" : ` ${report.candidate.quantization}`}` })),
        el("div", { class: "row" }, el("span", { class: "key-letter first", text: "A" }), el("span", { class: "small-text", text: "present" }), el("span", { class: "key-letter second", text: "B" }), el("span", { class: "small-text", text: "candidate" }))),
      stale ? el("p", { class: "tr-stale small-text" }, icon("warn"), ` ${stale} Try it again for a report of today.`) : null,
      this.accuracy(report), this.sides(report), this.movers.node);
    this.movers.draw(report, dataset);
  }

  accuracy(report) {
    const { accuracy: a, ratings } = report;
    const span = a ? Math.max(NARROWEST, Math.abs(a.low), Math.abs(a.high)) : NARROWEST; // the whole interval is seen
    const unscored = a ? [["B", ratings.unscored.candidate], ["A", ratings.unscored.present]].filter(([, n]) => n).map(([letter, n]) => `${letter} gave no number to ${fmt.ofN(n, ratings.unscored.of)} texts; they count as lost`).join(" · ") : "";
    const unlisted = Object.entries(ratings.known).filter(([, known]) => !known).map(([name]) => name);
    return el("section", { class: "card stack tight tr-accuracy", "aria-label": "Pairs in people's order" },
      el("h2", { text: "Who orders pairs as people did" }), el("p", { class: "tr-words", text: report.accuracy_words }),
      a ? el("div", { class: "tr-dots" },
        dot("A", "first", report.present.name, a.present), dot("B", "second", report.candidate.name, a.candidate), a.length ? dot("", "base", "longer is better", a.length) : null,
        el("span", {}), el("div", { class: "tr-scale", "aria-hidden": "true" }, [0.3, 0.5, 0.7, 0.9].map((value) => el("span", { style: { left: at(value) }, text: value === 0.5 ? "50 % = guessing" : percent(value, 0) }))), el("span", {})) : null,
      a ? el("div", { class: "tr-dots difference" }, el("span", { class: "small-text strong", text: "B − A, the same pairs" }),
        el("div", { class: "tr-line", role: "img", "aria-label": `Difference ${points(a.difference)} points, 95 % from ${points(a.low)} to ${points(a.high)}` },
          el("i", { class: "zero", style: { left: "50%" } }), el("i", { class: `range ${a.told ? "told" : ""}`, style: { left: side(a.low, span), right: `calc(100% - ${side(a.high, span)})` } }), el("i", { class: `dot ${a.told ? "told" : ""}`, style: { left: side(a.difference, span) } })),
        el("span", { class: "num small-text" }, el("b", { text: `${points(a.difference)} points` }), el("span", { class: "quiet", text: ` ${points(a.low)} to ${points(a.high)}` }))) : null,
      el("p", { class: "small-text quiet", text: [a ? `${fmt.plural(a.only_candidate, "pair")} only B orders so, ${fmt.int(a.only_present)} only A. Bars are 95 % intervals over whole images.` : "", `${fmt.ofN(ratings.pairs, ratings.all_pairs)} pairs are new to both; ${fmt.int(ratings.with_picture)} of them with their picture.`,
        unlisted.length ? `${unlisted.join(" and ")} does not list its training images: only the fifth that no training here sees is used.` : "", unscored].filter(Boolean).join(" ") }));
  }

  sides(report) {
    const { sides } = report, [whole] = sides.groups;
    const changed = whole.go_out + whole.come_in;
    const head = ["Type", "Records", "Stay in", "Go out", "Come in", "Stay out", "Change"];
    return el("section", { class: "card stack tight tr-sides", "aria-label": "Sides at the cut" },
      el("h2", { text: "Who changes sides at the cut" }),
      el("p", { class: "tr-words", text: changed ? `${fmt.ofN(changed, whole.records)} records (${fmt.share(changed, whole.records)}) change sides: ${fmt.int(whole.go_out)} go out, ${fmt.int(whole.come_in)} come in.` : `None of ${fmt.plural(whole.records, "record")} changes sides.` }),
      el("div", { class: "tr-sides-body" }, flow(whole),
        el("div", { class: "table-scroll" }, el("table", { class: "table" }, el("thead", {}, el("tr", {}, head.map((name, i) => el("th", { class: i ? "n" : "", text: name })))),
          el("tbody", {}, sides.groups.map((group) => el("tr", {}, el("td", {}, el("span", { class: group.group === "all" ? "strong" : `chip ${group.group}`, text: group.label })),
            [group.records, group.stay_in, group.go_out, group.come_in, group.stay_out].map((n) => el("td", { class: "n", text: fmt.int(n) })), el("td", { class: "n", text: fmt.share(group.go_out + group.come_in, group.records) }))))))),
      el("p", { class: "small-text quiet", text: [`Cut: ${cutWords(sides, report.kind)}.`, sides.one_stage ? `No ${report.kind === "question" ? "answer" : "question"} scores yet, so this stage's cut alone decides.` : "The other stage's scores are the same for both.",
        sides.same_number ? "An absolute cut is on A's scale; B is cut at as many records." : "", sides.compared < sides.total ? `${fmt.ofN(sides.total - sides.compared, sides.total)} records lack a score under one of the two and are left out.` : "", "Records kept or dropped by hand keep their side."].filter(Boolean).join(" ") }));
  }
}

/** Where a difference stands on a line from −span to span. */
const side = (value, span) => clamp((value + span) / (2 * span));

function dot(letter, tone, name, figure) {
  return [el("span", { class: "row nowrap tr-who" }, letter ? el("span", { class: `key-letter ${tone}`, text: letter }) : el("span", { class: "tr-noletter" }), el("span", { class: `small-text clip ${letter ? "strong" : "quiet"}`, title: name, text: name })),
    el("div", { class: "tr-line", role: "img", "aria-label": `${name}: ${percent(figure.value)}, 95 % from ${percent(figure.low)} to ${percent(figure.high)}` },
      el("i", { class: "zero", style: { left: at(0.5) } }), el("i", { class: `range ${tone}`, style: { left: at(figure.low), right: `calc(100% - ${at(figure.high)})` } }), el("i", { class: `dot ${tone}`, style: { left: at(figure.value) } })),
    el("span", { class: "num small-text" }, el("b", { text: percent(figure.value) }), el("span", { class: "quiet", text: ` ${percent(figure.low, 0)} to ${percent(figure.high, 0)} · ${fmt.int(figure.pairs)} pairs` }))];
}

function cutWords({ spec }, kind) {
  const words = (cut) => (cut.mode === "share" ? `best ${fmt.number(100 * cut.amount, 0)} %` : cut.mode === "count" ? `${fmt.int(cut.amount)} records` : `scores from ${fmt.number(cut.amount)}`);
  const stage = (name) => { const cuts = Object.values(spec[name]).map(words); return `${[...new Set(cuts)].join(" / ")} of ${name}s`; };
  return `${kind === "question" ? stage("question") : stage("answer")}, ${kind === "question" ? stage("answer") : stage("question")}${spec.per_type ? ", in each type" : ""}`;
}
