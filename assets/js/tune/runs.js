// Runs of the open data set: the chosen one with its curves, and the list of all.
import { changeWords, curveLine, runTile, smoothed } from "../run-parts.js";
import { RunList } from "../run-list.js";
import { api, chart, el, fill, fmt, openDataset, openTab, studio, tell } from "../studio.js";
import { percentLess } from "../tune.js";

const nothing = { title: "No run yet", text: "Check the settings on the left and launch. Loss, learning rate and speed appear here while it trains." };

export class FineTunes extends RunList {
  constructor(node, { reload }) {
    super(node, { route: "/api/runs", address: "run", title: "Runs", nothing, speed: "Tokens", reload });
    this.plots = el("div", { class: "tune-plots" }, this.loss, el("div", { class: "stack tight" }, this.rate, this.speed));
  }

  drawHead(run) {
    const losses = run.held_out, train = run.loss;
    fill(this.head, el("div", { class: "row apart" }, el("div", { class: "row" }, el("h2", { text: run.name }), this.state(run)),
      el("div", { class: "row" },
        ["cancelled", "failed"].includes(run.state) && run.base ? el("button", { class: "btn small", on: { click: (event) => this.goOn(run, event.currentTarget) } }, "Go on from the last checkpoint") : null,
        studio.datasets.some((one) => one.id === run.selection?.dataset_id) ? el("button", { class: "btn plain small", on: { click: () => { openDataset(run.selection.dataset_id); openTab("select"); } } }, "Its selection") : null,
        run.state === "done" ? el("button", { class: "btn small", on: { click: () => this.manifest(run) } }, "Manifest") : null)),
      el("p", { class: "small-text quiet", text: [run.base?.label, run.settings.method === "qlora" ? "QLoRA" : "LoRA", of(run)].filter(Boolean).join(" · ") }),
      run.problem ? problem({ message: run.problem }) : run.state === "failed" ? problem({ message: run.job?.error ?? "It failed.", hint: run.job?.hint }) : null,
      losses || train ? el("div", { class: "tune-tiles" },
        losses?.before != null ? runTile("Held-out loss", `${fmt.number(losses.before, 3)} → ${fmt.number(losses.after, 3)}`, percentLess(losses.before, losses.after), "On records no step has seen") : null,
        train?.first != null ? runTile("Training loss", `${fmt.number(train.first, 3)} → ${fmt.number(train.last, 3)}`, "one batch each, so it jumps") : null,
        run.steps ? runTile("Steps", fmt.int(run.steps), run.seconds ? `in ${fmt.duration(run.seconds)}` : "") : null,
        run.tokens_per_s ? runTile("Speed", `${fmt.number(run.tokens_per_s, 0)} tokens/s`, "over the last steps") : null) : null);
  }

  async drawCurves(id) {
    const turn = ++this.asked;
    let told;
    try { told = (await api.get(`/api/runs/${id}/curves`)).curves; } catch (error) { if (turn === this.asked) tell(error); return; }
    if (turn !== this.asked) return;
    const line = (name) => curveLine(told, name);
    this.plots.hidden = !told.loss?.length && !told.held_out_loss?.length;
    if (this.plots.hidden) return;
    const [steps, loss] = line("loss"), [heldAt, held] = line("held_out_loss");
    chart(this.loss, (c) => ({ data: [
      { type: "scatter", mode: "lines", x: steps, y: loss, name: "training", line: { color: c.ink3, width: 1 }, opacity: 0.55, hovertemplate: "step %{x}<br>loss %{y:.3f}<extra></extra>" },
      { type: "scatter", mode: "lines", x: steps, y: smoothed(loss), name: "smoothed", line: { color: c.accent, width: 2 }, hoverinfo: "skip" },
      { type: "scatter", mode: "lines+markers", x: heldAt, y: held, name: "held out", line: { color: c.types.detail, width: 2 }, marker: { size: 6 }, hovertemplate: "step %{x}<br>held out %{y:.3f}<extra></extra>" },
    ], layout: { showlegend: true, legend: { orientation: "h", y: 1.12, x: 0 }, margin: { t: 30, b: 36, l: 46, r: 8 }, xaxis: { title: { text: "step" } }, yaxis: { title: { text: "loss, nats a token" } } } }));
    const small = (node, name, title, format) => {
      const [x, y] = line(name);
      chart(node, (c) => ({ data: [{ type: "scatter", mode: "lines", x, y, line: { color: c.accent, width: 1.5 }, hovertemplate: `step %{x}<br>%{y:${format}}<extra></extra>` }], layout: { title: { text: title, font: { size: 12 }, x: 0.02, y: 0.97 }, margin: { t: 26, b: 22, l: 46, r: 8 } } }));
    };
    small(this.rate, "learning_rate", "Learning rate", ".2e");
    small(this.speed, "tokens_per_s", "Tokens a second", ".0f");
  }

  drawTable() {
    fill(this.table, el("div", { class: "tune-scroll" }, el("table", { class: "table" },
      el("thead", {}, el("tr", {}, ["Run", "State", "Records", "Held-out loss", "Changed since the run before", "Started"].map((text) => el("th", { text })))),
      el("tbody", {}, this.rows.map((run) => el("tr", { class: run.id === this.chosen.id ? "chosen" : "" },
        this.nameCell(run),
        el("td", {}, this.state(run)),
        el("td", { text: of(run) }),
        el("td", { class: "n", text: run.held_out?.before != null ? `${fmt.number(run.held_out.before, 3)} → ${fmt.number(run.held_out.after, 3)}` : "" }),
        el("td", { class: "small-text", text: changeWords(run) }), el("td", { class: "small-text", text: run.made_at ? fmt.when(run.made_at) : "" })))))));
  }
}

/** Which records a run was trained on, in words. */
function of(run) {
  const name = run.selection?.name;
  const from = name === "everything" ? "all" : name === "current" ? "of the open selection" : name ? `of “${name}”` : "";
  return [run.records ? fmt.plural(run.records, "record") + (from === "all" ? "," : "") : "", from, run.selection?.dataset ? `${from === "all" ? "of" : "in"} ${run.selection.dataset}` : ""].filter(Boolean).join(" ");
}
