// The map: like records lie near each other. Coloured by score, decision, type or cluster; outlined regions and searches by meaning become filters.
import { api, debounce, el, fill, fmt, icon, isDark, jobList, on, problem, themeColors, url } from "../studio.js";
import { card } from "./cards.js";
import { TYPES } from "./cube.js";
import { decide, desk, step } from "./desk.js";
import { plane } from "./plane.js";
import { centres, classed, grouped, outlineOf, readPoints } from "./points.js";
import { query, setQuery } from "./query.js";
import { large } from "./record.js";
import { latest, openSheet, picker, segments } from "./sheet.js";
import { runSignal } from "./signals.js";

const COLOURS = [["cluster", "Cluster"], ["kept", "Decision"], ["type", "Instruction type"], ["question", "Question score"], ["answer", "Answer score"]];
const DRAWN = 50_000; // points; more are not told apart
const NAMED = 14; // clusters with their name on the map
const ALIKE_SHOWN = 200;
const SHADES = 24; // colours of a score
const GOLDEN = 137.508; // degrees: neighbours in the list get far apart hues

let colourBy = "cluster";

async function pointsOf(dataset, limit) {
  const response = await fetch(url("/api/map/points", { dataset, limit }), { credentials: "same-origin" }).catch(() => null);
  if (!response?.ok) throw Object.assign(new Error("The points of the map could not be read."), { hint: "Close the map and open it again." });
  return readPoints(await response.arrayBuffer());
}

/** Open the map. */
export function openMap() {
  const stops = [];
  const sheet = openSheet("Map of the records", { name: "map-sheet", closed: () => stops.forEach((stop) => stop()) });
  const infoOf = latest();
  let page = null;
  stops.push(on("dataset", () => sheet.close()), on("job-end", (job) => { if (job.dataset_id === desk.id && job.kind.startsWith("signal")) read(); }));
  const read = () => infoOf(() => api.get("/api/map", { dataset: desk.id }), (info) => {
    if (!sheet.alive()) return;
    page?.stop();
    page = info.state === "ready" && info.placed ? drawn(sheet, info) : null;
    if (!page) missing(sheet, info, stops, read);
  }, (error) => fill(sheet.body, problem(error)));
  stops.push(() => page?.stop());
  fill(sheet.body, el("div", { class: "skeleton map-wait", "aria-label": "Reading the map" }));
  read();
}

/** No map yet: what it is for, what it costs, a way to make it. */
async function missing(sheet, info, stops, read) {
  const run = el("div", { class: "stack tight" }), jobs = el("div", {});
  fill(sheet.body, el("div", { class: "empty map-missing" }, icon("image"), el("h3", { text: info.state === "ready" ? "No record has a place on the map" : info.state === "stale" ? "The map is out of date" : "There is no map of this data set yet" }),
    el("p", { text: info.state === "ready" ? "None has a known word or a readable picture." : "It is made once from the words and the pictures: then like records lie near each other, regions can be outlined, and records can be searched by meaning." }), run, jobs));
  if (info.state === "ready") return;
  stops.push(jobList(jobs, (job) => job.active && job.dataset_id === desk.id && job.kind.startsWith("signal"), { title: "Making the map" }));
  try {
    const signal = (await api.get("/api/signals", { dataset: desk.id })).signals.find((one) => one.name === "map");
    if (!sheet.alive() || !signal) return;
    fill(run, signal.blocked ? el("p", { class: "warn-text", text: signal.blocked }) : null, signal.failure ? el("p", { class: "bad-text", text: `${signal.failure.error} ${signal.failure.hint}` }) : null,
      signal.job ? null : el("button", { type: "button", class: "btn primary", disabled: Boolean(signal.blocked), text: `Make the map (${signal.cost.split(";")[0]})`, on: { click: async (event) => { event.target.disabled = true; if (!(await runSignal("map"))) event.target.disabled = false; else fill(run); } } }));
  } catch (error) { fill(run, problem(error)); }
}

/** The map itself. → {stop()} */
function drawn(sheet, info) {
  const plot = plane({ label: `Map of ${fmt.int(info.placed)} records`, hover: (i) => i >= 0 && showCard(points.id[i]), click: (i) => openRecordOf(points.id[i]), outlined: (corners) => { const next = corners && outlineOf(corners); if (next) outlined(next); else { outline = null; hint(); } } });
  const note = el("p", { class: "quiet small-text" });
  const legend = el("div", { class: "map-legend" }), look = el("div", { class: "map-look" }), found = el("div", { class: "map-found" });
  const mode = segments("Drag to", [["lasso", "Lasso", "Drag around a region"], ["box", "Box", "Drag a rectangle"], ["pan", "Move", "Drag the map; Shift does it in the other ways too"]], "lasso", (value) => { plot.mode = value; });
  const wish = el("input", { class: "input", type: "search", placeholder: "Search by meaning: a dog …", "aria-label": "Search by meaning" });
  fill(sheet.body, el("div", { class: "map-split" },
    el("div", { class: "map-main" }, el("div", { class: "row nowrap map-bar" }, el("span", { class: "quiet", text: "Colour by" }), picker(COLOURS, colourBy, (value) => { colourBy = value; paint(); }, { "aria-label": "Colour by" }), mode.node, el("button", { type: "button", class: "btn small", title: "Double click, or 0", text: "Show all", on: { click: () => plot.fit() } }), el("span", { class: "grow" }), note), plot.node),
    el("aside", { class: "map-side" }, el("form", { class: "search", on: { submit: (event) => { event.preventDefault(); searchFor(wish.value.trim()); } } }, icon("search"), wish), found, look, legend)));
  let points = null, outline = null, alike = null, hidden = new Set(), stopped = false;
  const labels = new Map(info.clusters.map((one) => [one.code, one]));
  const hue = (code) => `hsl(${Math.round((code * GOLDEN) % 360)} ${isDark() ? "52% 66%" : "48% 44%"})`;
  const hint = () => fill(found, el("p", { class: "quiet small-text", text: "Drag around a region to outline it, scroll to zoom. Point at a record to see it, click to open it." }));
  hint();
  fill(look, el("p", { class: "quiet small-text", text: "" }));

  // --- drawing
  const size = () => (points.n > 20_000 ? 2.2 : points.n > 3_000 ? 3.6 : points.n > 400 ? 5.5 : 8);
  const faint = () => (alike ? 0.2 : points.n > 20_000 ? 0.6 : 0.85);
  const layer = (places, colour, more = {}) => ({ places: places ?? [], colour, size: size(), opacity: faint(), ...more });
  function layers(c) {
    if (colourBy === "kept") { const by = grouped(points.n, (i) => points.kept[i]); return [layer(by.get(0), c.lineStrong), layer(by.get(1), c.accent)]; }
    if (colourBy === "type") { const by = grouped(points.n, (i) => points.type[i]); return TYPES.map((type, t) => layer(by.get(t), c.types[type])); }
    if (colourBy === "cluster") return [...grouped(points.n, (i) => points.cluster[i])].filter(([code]) => !hidden.has(code)).map(([code, places]) => layer(places, code < 0 ? c.lineStrong : hue(code)));
    const { classes, none } = classed(points[colourBy], SHADES);
    return [layer(none, c.lineStrong, { hollow: true }), ...classes.map((places, i) => layer(places, shade(i / (SHADES - 1))))];
  }
  /** 0 … 1 → from pale to the accent: a light to dark ramp by day, dark to light by night. */
  const shade = (share) => (isDark() ? `hsl(174 ${Math.round(12 + 46 * share)}% ${Math.round(27 + 50 * share)}%)` : `hsl(177 ${Math.round(12 + 70 * share)}% ${Math.round(82 - 63 * share)}%)`);
  function paint() {
    if (!points || stopped) return;
    const c = themeColors(), drawnLayers = layers(c);
    if (alike) drawnLayers.push(layer(alike.places, c.warn, { size: size() + 2.5, opacity: 1 }));
    const names = colourBy === "cluster" && !alike ? [...centres(points)].filter(([code]) => !hidden.has(code)).sort((a, b) => b[1][2] - a[1][2]).slice(0, NAMED) : [];
    plot.show({ points, layers: drawnLayers, labels: names.map(([code, [x, y]]) => ({ x, y, text: (labels.get(code)?.label ?? "").slice(0, 40) })), outline: outline ?? query.now.lasso ?? null, ink: c.ink, paper: c.card, accent: c.accent });
    drawLegend();
  }

  function drawLegend() {
    if (["question", "answer"].includes(colourBy)) {
      const { none, low, high } = classed(points[colourBy], 1);
      fill(legend, el("div", { class: "map-ramp", style: { background: `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(shade).join(", ")})` } }), el("div", { class: "row apart small-text num quiet" }, el("span", { text: `${fmt.number(low)} and less` }), el("span", { text: `${fmt.number(high)} and more` })),
        el("p", { class: "quiet small-text", text: `${fmt.ofN(points.n - none.length, points.n)} points have this score; hollow ones have none.` }));
      return;
    }
    if (colourBy === "kept") { const kept = points.kept.reduce((a, b) => a + b, 0); fill(legend, swatch("var(--a2-accent)", "Kept", kept), swatch("var(--a2-line-strong)", "Dropped", points.n - kept)); return; }
    if (colourBy === "type") { fill(legend, TYPES.map((type, t) => swatch(`var(--a2-type-${type})`, desk.info.types[t].label, points.type.filter((one) => one === t).length))); return; }
    fill(legend, el("h3", {}, "Clusters ", el("span", { class: "quiet num", text: fmt.int(info.clusters.length) })), el("div", { class: "map-clusters" }, info.clusters.map(({ code, label, count }) => el("div", { class: `map-cluster ${hidden.has(code) ? "off" : ""}` },
      el("button", { type: "button", class: "map-name", "aria-pressed": String(!hidden.has(code)), title: `${label}: show or hide on the map`, on: { click: () => { hidden.has(code) ? hidden.delete(code) : hidden.add(code); paint(); } } }, el("i", { style: { background: hue(code) } }), el("span", { class: "clip grow", text: label }), el("span", { class: "num quiet", text: fmt.int(count) })),
      el("button", { type: "button", class: "link small-text", "aria-label": `Show the records of the cluster ${label}`, text: "list", on: { click: () => leave({ values: { ...query.now.values, cluster: [label] } }) } })))));
  }
  const swatch = (colour, text, n) => el("p", { class: "map-swatch" }, el("i", { style: { background: colour } }), el("span", { class: "grow", text }), el("span", { class: "num quiet", text: fmt.ofN(n, points.n) }));

  // --- pointing, clicking, outlining
  const leave = (change) => { sheet.close(); setQuery(change); };
  const cardOf = latest(), countOf = latest();
  const showCard = debounce((id) => cardOf(() => api.post("/api/record-lists/page", { dataset: desk.id, query: { ids: [id] }, limit: 1 }), ({ records: [record] }) => {
    if (!record || !sheet.alive()) return;
    fill(look, card(record, { bare: true }).node, el("div", { class: "row" }, el("button", { type: "button", class: "btn small", text: "More like this", on: { click: () => searchLike({ record: record.id }, `like ${record.key}`) } }), el("button", { type: "button", class: "btn small", text: "Open", on: { click: () => openRecordOf(record.id) } })));
  }, () => {}), 70);
  const openRecordOf = (id) => large(id, { walk: async () => null, position: () => "", judge: (one, verdict) => decide([one], verdict), undo: () => step("undo"), moved: () => {}, closed: () => {} });
  function outlined(next) {
    outline = next;
    const whole = { ...query.now, lasso: outline };
    countOf(() => Promise.all([{ lasso: outline }, whole].map((one) => api.post("/api/record-lists/count", { dataset: desk.id, query: one }))), ([inside, both]) => {
      if (!sheet.alive()) return;
      const other = Object.keys(query.now).some((part) => part !== "lasso");
      fill(found, el("p", {}, el("b", { class: "num", text: fmt.ofN(inside.total, inside.of) }), " records inside, ", el("span", { class: "num", text: `${fmt.int(inside.kept)} kept` })),
        el("div", { class: "row" }, el("button", { type: "button", class: "btn small primary", disabled: !inside.total, text: other ? `Show ${fmt.int(both.total)} in the grid` : "Show them in the grid", title: other ? "Together with the filters in force" : "", on: { click: () => leave({ lasso: outline }) } })));
    }, (error) => fill(found, problem(error)));
  }

  // --- likeness
  const searchFor = (text) => { if (!text) { alike = null; hint(); paint(); return; } searchLike({ text }, `“${text}”`); };
  const likeOf = latest();
  const searchLike = (like, words) => likeOf(() => api.post("/api/record-lists/page", { dataset: desk.id, query: { like }, sort: { by: "similarity", ascending: false }, limit: ALIKE_SHOWN }), (answer) => {
    if (!sheet.alive()) return;
    const at = new Map(Array.from(points.id, (id, i) => [id, i]));
    alike = { places: answer.records.map((record) => at.get(record.id)).filter((i) => i !== undefined) };
    fill(found, el("p", {}, "The ", el("b", { class: "num", text: fmt.int(answer.records.length) }), " records most like ", el("b", { class: "record-text", text: words.slice(0, 80) }), " stand out."),
      answer.records.length ? el("div", { class: "map-alike" }, answer.records.slice(0, 3).map((record) => card(record, { bare: true }).node)) : null,
      el("div", { class: "row" }, el("button", { type: "button", class: "btn small primary", disabled: !answer.records.length, text: "Show them in the grid", on: { click: () => leave({ like }) } }), el("button", { type: "button", class: "btn small", text: "Clear", on: { click: () => { alike = null; wish.value = ""; hint(); paint(); } } })));
    paint();
  }, (error) => fill(found, problem(error)));

  pointsOf(desk.id, DRAWN).then((told) => {
    if (!sheet.alive() || stopped) return;
    points = told;
    note.textContent = `${fmt.ofN(points.n, info.records)} records drawn${points.n < info.placed ? ", spread evenly over the file" : ""}`;
    note.title = info.note;
    paint();
  }, (error) => fill(plot.node, problem(error)));
  const off = on("theme", paint);
  return { stop: () => { stopped = true; off(); plot.stop(); } };
}
