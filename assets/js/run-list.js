// What the lists of all kinds of training share: which run is chosen, when curves are drawn anew, going on, the manifest.
import { RUN_STATES, showManifest } from "./run-parts.js";
import { api, el, empty, fill, param, refresh, setParams, tell } from "./studio.js";

const REDRAW_MS = 1500;

/** A list draws head, curves and table itself. told: { route, address of the chosen run, title, nothing (words of the empty state), speed (what is counted), reload }. */
export class RunList {
  constructor(node, told) {
    Object.assign(this, { ...told, node, rows: [], drawnAt: 0, asked: 0 });
    const plot = (small, label) => el("div", { class: `tune-plot${small ? " small" : ""}`, role: "img", "aria-label": label });
    this.head = el("div", { class: "stack tight" });
    this.loss = plot(false, "Loss over steps");
    this.rate = plot(true, "Learning rate over steps");
    this.speed = plot(true, `${told.speed} a second over steps`);
    this.table = el("div", { class: "stack tight" });
  }

  get chosen() {
    return this.rows.find((row) => row.id === param(this.address)) ?? this.rows.find((row) => row.job?.active) ?? this.rows[0] ?? null;
  }

  draw(rows) {
    this.rows = rows;
    const run = this.chosen;
    if (!run) return fill(this.node, empty({ ...this.nothing, icon: "text" }));
    if (!this.node.contains(this.head)) fill(this.node, el("section", { class: "card stack" }, this.head, this.plots), el("section", { class: "card stack tight" }, el("h2", { text: this.title }), this.table));
    this.drawHead(run);
    this.drawTable();
    this.drawCurves(run.id);
  }

  /** Called while a run is at work: its curves grow. */
  moved(job) {
    if (Date.now() - this.drawnAt < REDRAW_MS) return;
    this.drawnAt = Date.now();
    const row = this.rows.find((one) => one.job?.id === job.id);
    if (!row || row.job.state !== job.state || !row.base) return this.reload();
    if (this.chosen === row) this.drawCurves(row.id);
  }

  /** The run's name as the way to choose it. */
  nameCell(run) {
    return el("td", {}, el("button", { class: "btn plain small", "aria-current": run.id === this.chosen.id ? "true" : null, on: { click: () => { setParams({ [this.address]: run.id }); this.draw(this.rows); } } }, run.name));
  }

  state(run) {
    const [word, tone] = RUN_STATES[run.state] ?? [run.state, ""];
    return el("span", { class: `chip ${tone}`, text: word });
  }

  async goOn(run, button) {
    button.disabled = true;
    try { await api.post(`${this.route}/${run.id}/resume`, {}); await refresh(); } catch (error) { tell(error); }
    this.reload();
  }

  async manifest(run) {
    try { showManifest(run, await api.get(`${this.route}/${run.id}`)); } catch (error) { tell(error); }
  }
}
