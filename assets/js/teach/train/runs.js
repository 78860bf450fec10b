// Trainings of the workspace: the chosen one with its curves beside the baselines, and the list of all.
import { changeWords, curveLine, runTile, smoothed } from "../../run-parts.js";
import { RunList } from "../../run-list.js";
import { chooseKind } from "../kind.js";
import { api, chart, el, emit, fill, fmt, setParams, tell } from "../../studio.js";

const nothing = { title: "No training yet", text: "Check the settings on the left and train. Loss and held-out accuracy appear here while it learns, beside two baselines it must beat." };
const percent = (value, digits = 1) => `${fmt.number(100 * value, digits)} %`;
const range = (one) => `${fmt.number(100 * one.low, 1)}–${percent(one.high)}`;
const BASELINES = [["length", "longer is better"], ["tfidf", "TF-IDF"]];

export class Trainings extends RunList {
  constructor(node, { reload }) {
    super(node, { route: "/api/lessons", address: "training", title: "Trainings", nothing, speed: "Pairs", reload });
    this.now = el("p", { class: "small-text quiet num", "aria-live": "polite" });
    this.accuracy = el("div", { class: "tune-plot", role: "img", "aria-label": "Held-out pair accuracy over steps, with baselines" });
    this.plots = el("div", { class: "stack tight" }, this.now, el("div", { class: "train-plots" }, this.accuracy, this.loss), el("details", { class: "tune-more", on: { toggle: (event) => { if (event.target.open) this.drawCurves(this.chosen?.id); } } }, el("summary", { text: "Learning rate and speed" }), el("div", { class: "train-plots" }, this.rate, this.speed)));
  }

  drawHead(run) {
    const figures = run.figures, mine = figures?.scorer;
    const better = (name) => (mine && figures[name] ? `${mine.value >= figures[name].value ? "+" : "−"}${fmt.number(100 * Math.abs(mine.value - figures[name].value), 1)} points` : "");
    fill(this.head, el("div", { class: "row apart" }, el("div", { class: "row" }, el("h2", { class: "record-text", text: run.name }), this.state(run), run.ended === "early" ? el("span", { class: "chip", text: "ended early", title: "The held-out loss did not fall any more; the best state was kept" }) : null),
      el("div", { class: "row" },
        ["cancelled", "failed"].includes(run.state) && run.base ? el("button", { class: "btn small", on: { click: (event) => this.goOn(run, event.currentTarget) } }, "Go on from the last checkpoint") : null,
        run.state === "done" ? el("button", { class: "btn small", on: { click: () => this.manifest(run) } }, "Manifest") : null,
        run.scorer ? el("button", { class: "btn primary small", on: { click: () => { chooseKind(run.kind); setParams({ trial_candidate: run.scorer }); emit("teach-room", "trial"); } } }, "Try it") : null)),
      el("p", { class: "small-text quiet", text: [run.kind ? `Scorer of ${run.kind}s` : "", run.base?.label, learned(run)].filter(Boolean).join(" · ") }),
      run.problem ? problem({ message: run.problem }) : run.state === "failed" ? problem({ message: run.job?.error ?? "It failed.", hint: run.job?.hint }) : null,
      mine ? el("div", { class: "tune-tiles" },
        runTile("Held-out pair accuracy", percent(mine.value), `${range(mine)}, ${fmt.plural(mine.pairs, "pair")}`, `Share of pairs of images never trained on that it orders as people did: ${fmt.plural(mine.images, "image")}; 95 % interval over images`),
        BASELINES.map(([name, label]) => (figures[name] ? runTile(label[0].toUpperCase() + label.slice(1), percent(figures[name].value), `scorer ${better(name)}`, "The same held-out pairs") : null)),
        figures.training ? runTile("On training pairs", percent(figures.training.value), `of ${fmt.plural(figures.training.pairs, "pair")}`, "Far above the held-out accuracy means memorised") : null,
        run.held_out?.before != null ? runTile("Held-out loss", `${fmt.number(run.held_out.before, 3)} → ${fmt.number(run.held_out.after, 3)}`, "0.693 is guessing", "Of the state that is kept; ln 2 nats a pair is guessing") : null,
        run.steps ? runTile("Steps", fmt.int(run.steps), [run.chosen_step != null && run.chosen_step !== run.steps ? `step ${fmt.int(run.chosen_step)} is kept` : "", run.seconds ? `in ${fmt.duration(run.seconds)}` : ""].filter(Boolean).join(", "), run.pairs_per_s ? `${fmt.number(run.pairs_per_s, 1)} pairs a second` : "") : null) : null);
  }

  async drawCurves(id) {
    if (!id) return;
    const turn = ++this.asked;
    let told;
    try { told = await api.get(`/api/lessons/${id}/curves`); } catch (error) { if (turn === this.asked) tell(error); return; }
    if (turn !== this.asked) return;
    const curves = told.curves;
    this.plots.hidden = !curves.loss?.length && !curves.held_out_accuracy?.length;
    const active = this.chosen?.job?.active;
    this.now.textContent = !active ? "" : told.step || told.of ? [`step ${fmt.ofN(told.step, told.of)}`, told.held_out ? `held-out accuracy ${percent(told.held_out.held_out_accuracy)} on ${fmt.plural(told.held_out.pairs, "pair")}` : "", told.pairs_per_s ? `${fmt.number(told.pairs_per_s, 1)} pairs/s` : "", told.left_s != null ? `about ${fmt.duration(told.left_s)} left` : ""].filter(Boolean).join(" · ") : told.stage;
    this.now.hidden = !this.now.textContent;
    if (this.plots.hidden) return;
    const [steps, loss] = curveLine(curves, "loss"), [heldAt, held] = curveLine(curves, "held_out_loss"), [at, accuracy] = curveLine(curves, "held_out_accuracy");
    const last = Math.max(told.of || 0, told.step || 0, 1);
    const known = BASELINES.filter(([name]) => told.baselines?.[name]);
    const margin = { t: 34, b: 36, l: 60, r: 8 };
    chart(this.accuracy, (c) => ({ data: [
      { type: "scatter", mode: "lines+markers", x: at, y: accuracy, name: "held out", line: { color: c.accent, width: 2 }, marker: { size: 6 }, hovertemplate: "%{y:.1%}<extra>held out</extra>" },
      ...known.map(([name, label], i) => ({ type: "scatter", mode: "lines", x: [0, last], y: [told.baselines[name].value, told.baselines[name].value], name: label, line: { color: i ? c.types.complex : c.types.detail, width: 1.5, dash: "dash" }, hovertemplate: `%{y:.1%}<extra>${label}</extra>` })),
      { type: "scatter", mode: "lines", x: [0, last], y: [0.5, 0.5], name: "chance", showlegend: false, line: { color: c.ink3, width: 1, dash: "dot" }, hoverinfo: "skip" },
    ], layout: { showlegend: true, legend: { orientation: "h", y: 1.14, x: 0 }, margin, xaxis: { title: { text: "step" }, range: [0, last * 1.01] }, yaxis: { title: { text: "pairs in people's order", standoff: 14 }, tickformat: ".0%" } } }));
    chart(this.loss, (c) => ({ data: [
      { type: "scatter", mode: "lines", x: steps, y: loss, name: "training", line: { color: c.ink3, width: 1 }, opacity: 0.55, hovertemplate: "%{y:.3f}<extra>training</extra>" },
      { type: "scatter", mode: "lines", x: steps, y: smoothed(loss), name: "smoothed", line: { color: c.accent, width: 2 }, hoverinfo: "skip" },
      { type: "scatter", mode: "lines+markers", x: heldAt, y: held, name: "held out", line: { color: c.types.detail, width: 2 }, marker: { size: 6 }, hovertemplate: "%{y:.3f}<extra>held out</extra>" },
    ], layout: { showlegend: true, legend: { orientation: "h", y: 1.14, x: 0 }, margin, xaxis: { title: { text: "step" }, range: [0, last * 1.01] }, yaxis: { title: { text: "loss, nats a pair", standoff: 14 } } } }));
    if (!this.plots.querySelector("details").open) return;
    const small = (node, name, title, format) => {
      const [x, y] = curveLine(curves, name);
      chart(node, (c) => ({ data: [{ type: "scatter", mode: "lines", x, y, line: { color: c.accent, width: 1.5 }, hovertemplate: `step %{x}<br>%{y:${format}}<extra></extra>` }], layout: { title: { text: title, font: { size: 12 }, x: 0.02, y: 0.97 }, margin: { t: 26, b: 22, l: 46, r: 8 } } }));
    };
    small(this.rate, "learning_rate", "Learning rate", ".2e");
    small(this.speed, "pairs_per_s", "Pairs a second", ".1f");
  }

  drawTable() {
    fill(this.table, el("div", { class: "tune-scroll" }, el("table", { class: "table" },
      el("thead", {}, el("tr", {}, ["Training", "Scorer of", "State", "Learned from", "Held-out accuracy", "Changed since the one before", "Started"].map((text) => el("th", { text })))),
      el("tbody", {}, this.rows.map((run) => el("tr", { class: run.id === this.chosen.id ? "chosen" : "" },
        this.nameCell(run),
        el("td", { class: "train-whole", text: run.kind ? `${run.kind}s` : "" }),
        el("td", {}, this.state(run)),
        el("td", { text: learned(run) }),
        el("td", { class: "n", text: run.figures?.scorer ? `${percent(run.figures.scorer.value)} (${range(run.figures.scorer)})` : "" }),
        el("td", { class: "small-text", text: changeWords(run) }), el("td", { class: "small-text", text: run.made_at ? fmt.when(run.made_at) : "" })))))));
  }
}

/** What a training learned from, in words. */
function learned(run) {
  const data = run.data ?? {};
  return data.training_pairs ? `${fmt.plural(data.training_pairs, "pair")} on ${fmt.plural(data.training_images, "image")}` : "";
}
