// The report of a selection as a file to keep: a page with charts and pictures, or Markdown.
import { api, el, fill, fmt, icon, problem, url } from "../studio.js";
import { desk } from "./desk.js";
import { latest, openSheet, picker } from "./sheet.js";

/** Open the sheet that offers the report of the open cuts or of a stored selection. */
export async function openReport() {
  const sheet = openSheet("Report of a selection", { name: "report-sheet", lead: "What a colleague needs to judge this selection and to repeat it, in one file that needs no network." });
  const answerOf = latest();
  const told = el("div", { class: "stack" });
  let name = "", stored = [];
  try { stored = (await api.get("/api/selections/named", { dataset: desk.id })).selections.map((one) => one.name); } catch (error) { fill(sheet.body, problem(error)); return; }
  if (!sheet.alive()) return;
  const choice = picker([["", "The cuts as they stand"], ...stored.map((one) => [one, one])], "", (value) => { name = value; ask(); });
  fill(sheet.body, el("label", { class: "tool-field" }, el("span", { text: "Selection" }), choice), told);

  const file = (form, text, primary) => el("a", { class: `btn ${primary ? "primary" : ""}`, href: url("/api/reports/selection", { dataset: desk.id, name, form }), download: "", text });
  function draw(report) {
    const fact = (title, text) => el("div", {}, el("dt", { text: title }), el("dd", { class: "num", text }));
    fill(told,
      el("dl", { class: "report-facts" }, fact("Kept", fmt.ofN(report.kept, report.of)), fact("By hand", fmt.ofN(report.by_hand, report.of)), fact("Scorers", fmt.plural(report.scorers, "card")), fact("Signals", fmt.int(report.signals)), fact("Examples", fmt.plural(report.examples, "record"))),
      el("ul", { class: "report-words" }, report.words.map((line) => el("li", { text: line }))),
      el("div", {}, el("h3", { text: "The way to repeat it, as the report tells it" }), el("pre", { class: "report-commands mono", text: report.commands.join("\n") })));
    sheet.foot(el("p", { class: "grow quiet small-text", text: "The page is about 5 MB: the charts’ library is inside. Nothing in it asks another machine." }), file("md", "Markdown", false), file("html", "Page with charts and pictures", true));
  }
  const ask = () => answerOf(() => api.get("/api/reports/summary", { dataset: desk.id, name }), (report) => sheet.alive() && draw(report), (error) => { fill(told, problem(error)); sheet.foot(); });
  fill(told, el("p", { class: "quiet" }, icon("info"), " Reading the selection …"));
  ask();
}
