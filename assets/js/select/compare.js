// Any two selections side by side: the cuts as they stand, stored ones, presets. In both, only here, only there, in neither, with examples of each.
import { api, el, fill, fmt, problem } from "../studio.js";
import { card } from "./cards.js";
import { TYPES } from "./cube.js";
import { desk } from "./desk.js";
import { setQuery } from "./query.js";
import { latest, openSheet, picker } from "./sheet.js";

const WORKING = "current", PRESET = "preset:";
const SIDES = ["both", "left", "right", "neither"];

/** A selection by its name, in words. */
export function titleOf(name) {
  if (name === WORKING) return "the cuts as they stand";
  const preset = name.startsWith(PRESET) ? desk.info.presets.find((one) => PRESET + one.id === name) : null;
  return preset ? `“${preset.label}”` : `“${name}”`;
}

/** Open the sheet with two selections chosen. Names: "current", a stored name, "preset:authors" and the like. */
export async function compareSelections(left = WORKING, right = `${PRESET}random`) {
  const sheet = openSheet("Compare two selections", { name: "compare-sheet", lead: "What one keeps and the other does not, by type, with examples." });
  const answerOf = latest();
  const told = el("div", { class: "tool-scroll" });
  let stored = [];
  try { stored = (await api.get("/api/selections/named", { dataset: desk.id })).selections.map((one) => one.name); } catch (error) { fill(sheet.body, problem(error)); return; }
  if (!sheet.alive()) return;
  const names = [WORKING, ...stored, ...desk.info.presets.map((one) => PRESET + one.id)];
  const choice = (name, text, change) => el("label", { class: "tool-field grow" }, el("span", { text }), picker(names.map((one) => [one, one === WORKING ? "The cuts as they stand" : titleOf(one).slice(1, -1)]), name, (value) => { change(value); ask(); }));
  fill(sheet.body, el("div", { class: "compare-choice" }, choice(left, "First", (name) => { left = name; }), choice(right, "Second", (name) => { right = name; })), told);
  const labels = () => ({ both: "Kept in both", left: `Only in ${titleOf(left)}`, right: `Only in ${titleOf(right)}`, neither: "In neither" });

  const show = (side) => { sheet.close(); setQuery({ compared: { left, right, side }, show: null }); };
  function draw(answer) {
    const whole = answer.rows.at(-1), named = labels();
    const examples = (side) => {
      const cards = answer.examples[side] ?? [];
      return el("section", { class: "compare-side", data: { side } },
        el("div", { class: "row apart nowrap" }, el("h3", {}, named[side], el("span", { class: "quiet num", text: ` ${fmt.ofN(whole[side], whole.of)} · ${fmt.share(whole[side], whole.of)}` })),
          el("button", { type: "button", class: "btn small", disabled: !whole[side], text: "Show these in the grid", "aria-label": `Show in the grid: ${named[side]}`, on: { click: () => show(side) } })),
        cards.length ? el("div", { class: "compare-cards" }, cards.map((record) => card(record, { bare: true }).node)) : el("p", { class: "quiet small-text", text: whole[side] ? "" : "No record." }));
    };
    fill(told,
      el("table", { class: "table compare-table" }, el("thead", {}, el("tr", {}, el("th", { text: "Type" }), SIDES.map((side) => el("th", { class: "n", text: named[side] })), el("th", { class: "n", text: "Records" }))),
        el("tbody", {}, answer.rows.map((row) => el("tr", { class: row.group === "all" ? "strong" : "" }, el("td", {}, TYPES.includes(row.group) ? el("span", { class: `dot ${row.group}` }) : null, ` ${row.label}`),
          SIDES.map((side) => el("td", { class: "n" }, fmt.int(row[side]), el("span", { class: "quiet small-text", text: ` ${fmt.share(row[side], row.of)}` }))), el("td", { class: "n", text: fmt.int(row.of) }))))),
      left === right ? el("p", { class: "quiet", text: "Both are the same selection: choose another one." }) : null,
      el("div", { class: "compare-sides" }, ["left", "right", "both", "neither"].map(examples)));
  }
  const ask = () => answerOf(() => api.get("/api/selections/compare", { dataset: desk.id, left, right }), (answer) => sheet.alive() && draw(answer), (error) => fill(told, problem(error)));
  ask();
}
