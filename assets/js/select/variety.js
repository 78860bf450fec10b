// Variety: caps per image and per cluster, and a varied choice among what passed. What it does to types, clusters and images is shown before it is used.
import { api, chart, debounce, el, fill, fmt, icon, on, problem } from "../studio.js";
import { TYPES } from "./cube.js";
import { desk, replaceSpec } from "./desk.js";
import { latest, openSheet, readWhole, segments } from "./sheet.js";
import { runSignal } from "./signals.js";

const METHODS = [["none", "Keep them all", "No choice beyond cuts and caps"], ["kcenter", "Few gaps", "k-center: each new record as far as possible from those chosen; outliers come in"], ["facility", "Typical ones", "Facility location: every record near one that is chosen; typical records first"]];
const SETTLE_MS = 220;

/** Open the sheet. */
export function openVariety() {
  const stops = [];
  const sheet = openSheet("Variety", { name: "variety", lead: "The best scores alone crowd around a few kinds of pictures and questions. Caps and a varied choice spread them out.", closed: () => stops.forEach((stop) => stop()) });
  const answerOf = latest(), signalOf = latest();
  const wish = { per_image: desk.spec.per_image, per_cluster: desk.spec.per_cluster ?? null, method: desk.spec.diverse?.method ?? "none", amount: desk.spec.diverse?.mode === "share" ? desk.spec.diverse.amount : 0.5 };
  let map = null; // the signal "Map" as /api/signals tells it

  const wrong = el("p", { class: "bad-text small-text", role: "alert", hidden: true });
  const cap = (name, text, title) => {
    const field = el("input", { class: "input num", type: "text", inputmode: "numeric", autocomplete: "off", placeholder: "any", value: wish[name] ?? "", "aria-label": title, on: { input: () => {
      const { value, problem: why } = readWhole(field.value);
      field.setAttribute("aria-invalid", String(Boolean(why)));
      wrong.hidden = !why;
      wrong.textContent = why ? `${why}. Leave it empty for no cap.` : "";
      if (!why && value !== wish[name]) { wish[name] = value; soon(); }
    } } });
    return { node: el("label", { class: "tool-field" }, el("span", { text }), field), field };
  };
  const image = cap("per_image", "Per image at most", "At most this many records per image"), cluster = cap("per_cluster", "Per cluster at most", "At most this many records per cluster");
  const method = segments("A varied choice among the rest", METHODS, wish.method, (value) => { wish.method = value; drawAmount(); soon(); });
  const amount = el("input", { type: "range", min: 0.05, max: 1, step: 0.05, value: wish.amount, "aria-label": "Share of the records past cuts and caps that stays", on: { input: () => { wish.amount = Number(amount.value); drawAmount(); soon(); } } });
  const amountText = el("output", { class: "num" });
  const amountLine = el("label", { class: "tool-field" }, el("span", {}, "Keep of those past cuts and caps ", amountText), amount);
  const methodNote = el("p", { class: "quiet small-text" });
  const drawAmount = () => {
    amountLine.hidden = wish.method === "none";
    amountText.textContent = `${Math.round(wish.amount * 100)} %`;
    methodNote.textContent = METHODS.find(([id]) => id === wish.method)[2];
  };
  const mapLine = el("div", { class: "variety-map" });
  fill(sheet.body, el("div", { class: "tool-split" },
    el("form", { class: "tool-form", on: { submit: (event) => event.preventDefault() } }, el("div", { class: "tool-pair" }, image.node, cluster.node), wrong,
      el("div", { class: "tool-field" }, el("span", { text: "Then choose" }), method.node, methodNote), amountLine, mapLine),
    el("div", { class: "tool-answer" })));
  const answer = sheet.body.querySelector(".tool-answer");
  const trouble = el("div", {}), heads = el("dl", { class: "variety-heads" }), types = el("div", {}), spreads = el("div", {});
  fill(answer, trouble, heads, el("section", {}, el("h3", { text: "Share of each type" }), el("p", { class: "quiet small-text", text: "Pale: all records; half: past both cuts; full: kept." }), types),
    el("section", {}, el("h3", { text: "How much of the data set is still there" }), el("p", { class: "quiet small-text", text: "Covered: with at least one record. Evenness: how many of equal size would be as even. Half: past both cuts; full: kept." }), spreads));
  drawAmount();

  const needsMap = () => wish.per_cluster !== null || wish.method !== "none";
  const spec = () => ({ ...desk.spec, per_image: wish.per_image, per_cluster: wish.per_cluster, diverse: wish.method === "none" ? null : { method: wish.method, mode: "share", amount: wish.amount } });

  function drawMap() {
    const ready = map?.state === "ready", busy = ["queued", "running"].includes(map?.state);
    for (const button of method.node.children) button.disabled = !ready && button.dataset.value !== "none";
    cluster.field.disabled = !ready;
    if (!map || ready) { fill(mapLine); return; }
    fill(mapLine, icon("info"), el("div", {}, el("p", { text: busy ? "The map of the records is being made. Clusters and the varied choice can be used when it is there." : "Clusters and the varied choice need the signal “Map”, which was not made for this data set yet." }),
      map.blocked ? el("p", { class: "warn-text", text: map.blocked }) : null,
      busy ? null : el("button", { type: "button", class: "btn small", disabled: Boolean(map.blocked), on: { click: async (event) => { event.target.disabled = true; await runSignal("map"); readMap(); } } }, `Make the map (${map.cost.split(";")[0]})`)));
  }
  function draw(told) {
    const { before, passed, after } = told;
    fill(trouble);
    const fact = (title, text, note = "") => el("div", {}, el("dt", { text: title }), el("dd", { class: "num" }, text, note ? el("span", { class: "quiet small-text", text: note }) : null));
    const covered = (name, title) => (before[name] ? fact(title, fmt.ofN(after[name].covered, before[name].covered), ` ${fmt.int(passed[name].covered)} by cuts alone`) : null);
    fill(heads, fact("Kept", fmt.ofN(after.records, before.records), ` ${fmt.int(passed.records)} by cuts alone`), covered("clusters", "Clusters"), covered("images", "Images"));
    const sets = [["All records", before, 0.28], ["Past both cuts", passed, 0.6], ["Kept", after, 1]];
    chart(types, (c) => ({
      data: sets.map(([name, side, opacity]) => ({ type: "bar", orientation: "h", name, y: TYPES.map((type) => desk.info.types.find((one) => one.id === type).label), x: TYPES.map((type) => side.types[type] ?? 0), marker: { color: TYPES.map((type) => c.types[type]), opacity }, hovertemplate: `%{x:.1%} of ${fmt.int(side.records)}<extra>${name.toLowerCase()}</extra>` })),
      layout: { barmode: "group", height: 168, margin: { l: 124, r: 12, t: 4, b: 24 }, hovermode: "closest", xaxis: { tickformat: ".0%", rangemode: "tozero" }, yaxis: { autorange: "reversed" }, bargap: 0.28, bargroupgap: 0.08 },
    }));
    const names = [["clusters", "Clusters"], ["images", "Images"]].filter(([name]) => before[name]);
    const measures = names.flatMap(([name, text]) => [[name, "covered", `${text} covered`], [name, "effective", `${text}, evenness`]]);
    chart(spreads, (c) => ({
      data: sets.slice(1).map(([label, side, opacity]) => ({ type: "bar", orientation: "h", name: label, y: measures.map(([, , text]) => text), x: measures.map(([name, part]) => (before[name][part] ? side[name][part] / before[name][part] : 0)), marker: { color: c.accent, opacity },
        customdata: measures.map(([name, part]) => [side[name][part], before[name][part]]), hovertemplate: `%{customdata[0]:,.0f} of %{customdata[1]:,.0f}<extra>${label.toLowerCase()}</extra>` })),
      layout: { barmode: "group", height: 30 + 36 * measures.length, margin: { l: 124, r: 12, t: 4, b: 24 }, hovermode: "closest", xaxis: { tickformat: ".0%", range: [0, 1.02] }, yaxis: { autorange: "reversed" }, bargap: 0.3 },
    }));
    const same = JSON.stringify(spec()) === JSON.stringify({ ...desk.spec, per_cluster: desk.spec.per_cluster ?? null, diverse: desk.spec.diverse ?? null });
    sheet.foot(el("p", { class: "grow num" }, el("b", { text: fmt.ofN(after.records, before.records) }), " records kept"), el("button", { type: "button", class: "btn", text: "Cancel", on: { click: sheet.close } }),
      el("button", { type: "button", class: "btn primary", disabled: same, title: same ? "Nothing was changed" : "", text: "Use these limits", on: { click: () => { const next = spec(); sheet.close(); replaceSpec(next, `${fmt.plural(after.records, "record")} kept with these limits`); } } }));
  }
  const ask = () => {
    if (!sheet.alive() || (needsMap() && map && map.state !== "ready")) return;
    answerOf(() => api.post("/api/solver/coverage", { dataset: desk.id, spec: spec() }), (told) => sheet.alive() && draw(told), (error) => { fill(trouble, problem(error)); sheet.foot(); });
  };
  const soon = debounce(ask, SETTLE_MS);
  const readMap = () => signalOf(() => api.get("/api/signals", { dataset: desk.id }), (told) => { if (!sheet.alive()) return; map = told.signals.find((one) => one.name === "map") ?? null; drawMap(); ask(); }, (error) => fill(mapLine, problem(error)));
  stops.push(on("job-end", (job) => { if (["signal", "signal_model"].includes(job.kind) && job.dataset_id === desk.id) readMap(); }), on("dataset", () => sheet.close()));
  drawMap();
  ask();
  readMap();
}
