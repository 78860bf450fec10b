// What one import met: counts with what they are counted of, every bad line with its place and way out, notes, pictures, contradictions.
import { el, fmt, icon, problem } from "../../studio.js";

const FEW = 5;

/** The report of one import job; `close()` puts it away. */
export function importReport(job, { close }) {
  return el("section", { class: "card stack xc-report", "aria-label": "Report" },
    el("div", { class: "row apart nowrap" }, el("h2", { class: "clip", title: job.name, text: `Report of ${job.name}` }),
      el("div", { class: "row nowrap" }, el("span", { class: "quiet small-text num", text: fmt.when(job.ended_at ?? job.created_at) }), el("button", { class: "icon-btn", "aria-label": "Close the report", on: { click: close } }, icon("close")))),
    job.state === "done" ? told(job.result) : job.state === "failed" ? problem({ message: job.error, hint: job.hint }) : el("p", { class: "quiet", text: "This import was stopped. What was read is kept; bring the same file in again, and it goes on from there." }));
}

/** The imports so far, newest first, each with the way to its report. */
export function importList(jobs, open, { choose }) {
  const row = (job) => {
    const r = job.state === "done" ? job.result : null;
    return el("tr", { class: job.id === open?.id ? "open" : "" },
      el("td", { class: "xc-name", text: job.name }), el("td", { class: "n", text: r ? fmt.ofN(r.good, r.lines) : "–" }), el("td", { class: `n ${r?.bad_count ? "warn-text" : ""}`, text: r ? fmt.int(r.bad_count) : "–" }),
      el("td", { class: "n", text: r ? fmt.ofN(r.new, r.statements) : "–" }), el("td", { class: "n", text: r ? fmt.ofN(r.images.found, r.images.named) : "–" }),
      el("td", {}, r ? null : el("span", { class: `chip ${job.state}`, text: job.state === "failed" ? "not taken in" : "stopped" })),
      el("td", { class: "n quiet", text: fmt.when(job.ended_at ?? job.created_at) }),
      el("td", { class: "n" }, el("button", { class: "btn small", "aria-label": `Report of ${job.name}`, text: "Report", on: { click: () => choose(job.id) } })));
  };
  const body = el("tbody", {}, jobs.slice(0, FEW).map(row));
  const more = el("button", { class: "btn small xc-more", text: `Show ${fmt.int(jobs.length - FEW)} more`, on: { click: () => { more.remove(); body.append(...jobs.slice(FEW).map(row)); } } });
  return el("section", { class: "card stack tight" }, el("h2", { text: "Files brought in" }),
    el("table", { class: "table xc-origins xc-imports" }, el("thead", {}, el("tr", {}, ["File", "Good lines", "Bad", "New ratings", "Images", "", "When", ""].map((name, i) => el("th", { class: [0, 5].includes(i) ? "" : "n", text: name })))), body), jobs.length > FEW ? more : null);
}

function told(r) {
  const figure = (label, n, of, ofWhat, tone = "accent") => el("div", { class: `figure ${tone}` }, el("span", { class: "quiet small-text", text: label }), el("span", { class: "figure-n num", text: fmt.int(n) }), el("span", { class: "small-text quiet num", text: of === null ? ofWhat : `of ${fmt.int(of)} ${ofWhat}` }));
  const images = r.images;
  const kinds = Object.entries(r.kinds).filter(([, one]) => one.items).map(([kind, one]) => fmt.plural(one.items, `${kind} item`)).join(", ");
  return [
    el("div", { class: "figures" },
      figure("Good lines", r.good, r.lines, "lines"), figure("Bad lines", r.bad_count, r.lines, "lines", r.bad_count ? "warn" : "accent"),
      figure("New ratings", r.new, r.statements, r.known ? `· ${fmt.int(r.known)} known` : "read"), figure("Pairs", r.pairs, null, r.ties.count ? `${fmt.plural(r.ties.count, "item")} all tied` : "strictly ordered"),
      figure("Images", images.found, images.named, "named", images.found < images.named ? "warn" : "accent")),
    r.ended_early ? problem({ message: `reading ended early: ${r.ended_early.what}`, place: r.ended_early.place, hint: r.ended_early.way_out }) : null,
    r.bad_count ? bad(r) : el("p", { class: "good-text small-text" }, icon("check"), ` None of ${fmt.plural(r.lines, "line")} is bad.`),
    el("div", { class: "findings" },
      r.ties.count ? finding("Items whose candidates all have the same score: kept, but no pair", r.ties.count, r.statements, "items", r.ties.examples) : null,
      images.missing.count ? finding("Images that are not at hand: their items stay without", images.missing.count, images.named, "named", images.missing.examples, "warn") : null,
      Object.values(images.matched).map((one) => finding(`Images matched by ${one.label}`, one.count, images.named, "named", [])),
      r.contradictions.count ? finding(r.contradictions.settled ? "Contradictions, decided as you chose beforehand" : "Contradictions with other lines", r.contradictions.count, r.statements, "items", r.contradictions.examples.map((one) => ({ name: one.image_name, what: `${one.first} against ${one.later}` })), "warn") : null,
      r.repeated ? finding("Lines that stand in the file more than once; counted once", r.repeated, r.statements, "items", []) : null,
      Object.values(r.notes).map((one) => finding(one.label[0].toUpperCase() + one.label.slice(1), one.count, r.lines, "lines", one.examples))),
    el("p", { class: "small-text quiet", text: [r.format_label, kinds, r.encoding, `read in ${fmt.number(r.seconds, 1)} s`, `its word stands under “${r.rater}”`].filter(Boolean).join(" · ") }),
  ];
}

function bad(r) {
  const shown = r.bad.slice(0, 100);
  return el("div", { class: "stack tight" },
    el("div", { class: "table-scroll xc-bad" }, el("table", { class: "table" },
      el("thead", {}, el("tr", {}, ["Place", "What is wrong", "Way out"].map((name) => el("th", { text: name })))),
      el("tbody", {}, shown.map((row) => el("tr", {}, el("td", { class: "num xc-place", text: row.place }), el("td", { class: "record-text", text: row.what }), el("td", { class: "quiet", text: row.way_out })))))),
    shown.length < r.bad_count ? el("p", { class: "quiet small-text", text: `The first ${fmt.int(shown.length)} of ${fmt.int(r.bad_count)} are listed; \`python -m pipeline ratings import … --json\` gives up to 1,000.` }) : null);
}

function finding(label, count, of, ofWhat, rows, tone = "") {
  const summary = [icon(tone ? "warn" : "info"), el("span", { class: "grow", text: label }), el("span", { class: "num quiet", text: `${fmt.ofN(count, of)} ${ofWhat}` })];
  if (!rows.length) return el("div", { class: `finding ${tone}` }, el("div", { class: "row xc-plain" }, summary));
  return el("details", { class: `finding ${tone}` }, el("summary", {}, summary, icon("down")),
    el("ul", { class: "finding-rows" }, rows.map((row) => el("li", {}, el("p", {}, el("span", { class: "mono", text: row.name ?? row.place }), row.what ? el("span", { class: "quiet", text: ` ${row.what}` }) : null), row.way_out ? el("p", { class: "quiet", text: row.way_out }) : null)),
      rows.length < count ? el("li", { class: "quiet", text: `The first ${fmt.int(rows.length)} of ${fmt.int(count)} are listed.` }) : null));
}
