// One finished export: where it lies, the download, the way back in, and its manifest as a person reads it.
import { api, el, fill, fmt, icon, problem, studio, toast } from "./studio.js";

const REWRITTEN = { "question, rewrite": "questions rewritten", "answer, rewrite": "answers rewritten", "question, edit": "questions in a person's words", "answer, edit": "answers in a person's words" };

/** A card for one export job; `again(name)` queues its import under a name and says whether that worked. */
export function exportCard(job, { again }) {
  const told = el("div", { class: "stack" });
  const node = el("section", { class: "card stack export-card", "aria-label": "Export" }, head(job), job.state === "done" ? facts(job) : failed(job), job.there ? actions(job, again) : null, told);
  if (job.there) loadManifest(job, told);
  return node;
}

function head(job) {
  const state = job.state !== "done" ? (job.state === "failed" ? ["failed", "failed"] : ["cancelled", "stopped"]) : job.there ? ["done", job.zip ? "zip" : "folder"] : ["warn", "moved or deleted"];
  return el("div", { class: "row apart nowrap" }, el("h1", { class: "clip", title: job.path, text: job.file_name || `Export ${job.id}` }), el("div", { class: "row nowrap" }, el("span", { class: `chip ${state[0]}`, text: state[1] }), el("span", { class: "quiet small-text num", text: fmt.when(job.ended_at ?? job.created_at) })));
}

const failed = (job) => (job.state === "failed" ? problem({ message: job.error, hint: job.hint, place: "" }) : el("p", { class: "quiet", text: "This export was stopped. Nothing of it was left behind." }));

function facts(job) {
  const r = job.result;
  const figure = (value, of, label) => el("div", { class: "export-figure" }, el("span", { class: "num" }, el("b", { text: value }), of ? ` of ${of}` : ""), el("span", { class: "small-text quiet", text: label }));
  return el("div", { class: "export-figures" }, figure(fmt.int(r.records), fmt.int(r.of), "records"), figure(fmt.int(r.images), r.images_missing ? fmt.int(r.images + r.images_missing) : "", r.images_missing ? "images written" : "images"),
    figure(fmt.int(r.rewritten_texts), "", r.rewritten_texts === 1 ? "text rewritten" : "texts rewritten"), figure(fmt.bytes(job.zip_bytes ?? r.bytes), "", `in ${fmt.plural(r.files ?? 0, "file")}`));
}

function actions(job, again) {
  const copy = async () => { try { await navigator.clipboard.writeText(job.path); toast("The path is copied."); } catch { toast("The browser did not allow copying.", { hint: job.path }); } };
  const form = el("form", { class: "row again", hidden: true, on: { submit: async (event) => { event.preventDefault(); go.disabled = true; if (await again(name.value)) toggle(false); go.disabled = false; } } });
  const name = el("input", { class: "input", type: "text", required: true, maxLength: 120, "aria-label": "Name of the new data set", value: `${studio.dataset?.name ?? "Data set"} curated` });
  const go = el("button", { class: "btn", type: "submit", text: "Import" });
  const open = el("button", { class: "btn", "aria-expanded": "false", on: { click: () => toggle(form.hidden) } }, "Import it again …");
  const toggle = (show) => { form.hidden = !show; open.setAttribute("aria-expanded", String(show)); if (show) { name.focus(); name.select(); } };
  fill(form, el("span", { class: "small-text quiet", text: "as a data set named" }), name, go);
  return el("div", { class: "stack export-actions" },
    el("div", { class: "export-path" }, el("code", { class: "mono clip", title: job.path, text: job.path }), el("button", { class: "icon-btn", "aria-label": "Copy the path", title: "Copy the path", on: { click: copy } }, icon("copy"))),
    el("div", { class: "row" }, job.download ? el("a", { class: "btn primary", href: job.download, download: job.file_name }, `Download ${fmt.bytes(job.zip_bytes)}`) : null, open, form));
}

async function loadManifest(job, node) {
  fill(node, el("div", { class: "skeleton manifest-skeleton" }));
  try { fill(node, manifest(await api.get(`/api/exports/${job.id}/manifest`))); } catch (error) { fill(node, problem(error)); }
}

function manifest(told) {
  const { counts } = told;
  return [
    el("div", { class: "export-columns" },
      el("section", { class: "stack tight" }, el("h3", { text: "Counts per stage" }), stages(counts)),
      el("section", { class: "stack tight" }, el("h3", { text: "How it came about" }), story(told))),
    counts.reasons ? el("section", { class: "stack tight" }, el("h3", { text: `Why ${fmt.int(counts.imported)} became ${fmt.int(counts.exported)}` }), reasons(counts)) : null,
    checksums(told),
  ];
}

function stages(counts) {
  const rows = counts.stages ?? [];
  if (!rows.length) return el("p", { class: "quiet", text: `Nothing was scored: ${fmt.ofN(counts.exported, counts.imported)} records left.` });
  const columns = [["imported", "Imported"], ["scored", "Scored"], ["question", "Questions"], ["answer", "Answers"], ["kept", "Kept"]];
  return el("table", { class: "table" }, el("thead", {}, el("tr", {}, el("th", {}), columns.map(([, label]) => el("th", { class: "n", text: label })))),
    el("tbody", {}, rows.map((row) => el("tr", { class: row.group === "all" ? "strong" : "" }, el("td", {}, el("span", { class: row.group === "all" ? "" : `chip ${row.group}`, text: row.label })), columns.map(([name]) => el("td", { class: "n", text: fmt.int(row[name]) }))))));
}

function story(told) {
  const key = (stage) => { const k = told.scorers?.[stage]; return k ? `${k.adapter}@${String(k.revision).slice(0, 8)} · ${k.precision}${k.quantization === "none" ? "" : ` ${k.quantization}`}` : "not scored"; };
  const rewrites = Object.entries(told.rewrites?.by_part_and_origin ?? {}).map(([name, n]) => `${fmt.int(n)} ${REWRITTEN[name] ?? name}`);
  const hands = Object.entries(told.decisions ?? {}).map(([name, n]) => `${fmt.int(n)} ${name === "keep" ? "kept" : "dropped"}`);
  const answers = told.answers ?? {};
  const rows = [["Data set", `${told.dataset.name}, ${fmt.plural(told.dataset.records, "record")}`], ["Selection", told.selection.name === "current" ? "the cuts open then" : told.selection.name], ["Question scorer", key("question")], ["Answer scorer", key("answer")],
    ["Answers", answers.turns_with_several_candidates ? `another than the first in ${fmt.ofN(answers.of_which_not_the_first_was_chosen, answers.turns_with_several_candidates)} turns with a choice` : "no turn had a choice"],
    ["By hand", hands.join(", ") || "no decision"], ["Rewrites", rewrites.join(", ") || "none accepted"], ["Made", `${told.made_at.replace("T", " ").replace("+00:00", " UTC")}, ${told.made_by}`]];
  return el("dl", { class: "facts" }, rows.map(([name, value]) => [el("dt", { text: name }), el("dd", { class: "record-text", text: value })]));
}

function reasons(counts) {
  const list = Object.entries(counts.reasons).sort((a, b) => b[1] - a[1]);
  const kept = new Set(["passed both cuts", "kept by hand"]);
  return el("div", { class: "reasons-bars" }, list.map(([reason, n]) => [el("span", { text: reason }), el("span", { class: `meter-bar ${kept.has(reason) ? "kept" : ""}` }, el("div", { style: { width: `${(100 * n) / counts.imported}%` } })), el("span", { class: "num quiet", text: `${fmt.ofN(n, counts.imported)} · ${fmt.share(n, counts.imported)}` })]));
}

function checksums(told) {
  const rows = told.files.map((file) => el("tr", {}, el("td", { class: "mono small-text", text: file.name }), el("td", { class: "n", text: fmt.bytes(file.bytes) }), el("td", { class: "mono small-text quiet", title: file.sha256, text: `${file.sha256.slice(0, 20)}…` })));
  return el("details", { class: "checksums" }, el("summary", {}, "Files and checksums ", el("span", { class: "quiet num", text: `${fmt.ofN(told.files.length, told.files_total)} files beside the manifest, ${fmt.bytes(told.files_bytes)} in all` })),
    el("table", { class: "table" }, el("thead", {}, el("tr", {}, ["File", "Size", "sha256"].map((name, i) => el("th", { class: i === 1 ? "n" : "", text: name })))), el("tbody", {}, rows)),
    told.files_total > told.files.length ? el("p", { class: "small-text quiet", text: `The other ${fmt.int(told.files_total - told.files.length)} are in manifest.json.` }) : null);
}
