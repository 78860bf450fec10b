// What an import met: figures first, then each finding with its rows, reasons and ways out.
import { el, fmt, icon, meter } from "./studio.js";

const TYPES = [
  ["conversation", "Conversation"],
  ["detail", "Detail"],
  ["complex", "Complex reasoning"],
];

/** The report of one data set as a node. */
export function report(details, { showProblems }) {
  const r = details.report ?? {};
  if (!r.read) return el("p", { class: "quiet", text: "This data set has no import report." });
  return el(
    "div",
    { class: "stack wide report" },
    figures(r),
    el("div", { class: "cols-2" }, types(r), images(r, showProblems)),
    skipped(r),
    others(r),
    facts(r),
  );
}

function figures(r) {
  const images = r.images ?? {};
  const bad = (images.referenced ?? 0) - (images.found ?? 0);
  return el(
    "div",
    { class: "figures" },
    figure("Imported", r.imported, r.read, "rows", "accent"),
    figure("Skipped", r.skipped_count, r.read, "rows", r.skipped_count ? "warn" : ""),
    figure("Images found", images.found, images.referenced, "named", bad ? "warn" : "accent"),
    figure("Several answers", r.with_candidates, r.imported, "records", "accent"),
    figure("Text only", r.text_only, r.imported, "records", "accent"),
  );
}

function figure(label, n, of, ofWhat, tone) {
  return el(
    "div",
    { class: `figure ${tone}` },
    el("span", { class: "quiet small-text", text: label }),
    el("span", { class: "figure-n num", text: fmt.int(n) }),
    el("span", { class: "small-text quiet num", text: `of ${fmt.int(of)} ${ofWhat}${of ? ` · ${fmt.share(n, of)}` : ""}` }),
    el("span", { class: "meter-bar" }, el("div", { style: { width: of ? `${(100 * n) / of}%` : "0" } })),
  );
}

function types(r) {
  const all = Math.max(1, r.imported);
  return el(
    "section",
    { class: "card stack" },
    el("h2", { text: "Instruction types" }),
    el(
      "table",
      { class: "table" },
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("th", { text: "Type" }),
          el("th", { class: "n", text: "Told by the file" }),
          el("th", { class: "n", text: "Inferred" }),
          el("th", { class: "n", text: "All" }),
          el("th", { class: "n", text: "Share" }),
        ),
      ),
      el(
        "tbody",
        {},
        TYPES.map(([id, label]) => {
          const { told = 0, inferred = 0 } = r.types?.[id] ?? {};
          return el(
            "tr",
            {},
            el("td", {}, el("span", { class: `chip ${id}`, text: label })),
            el("td", { class: "n", text: fmt.int(told) }),
            el("td", { class: "n", text: fmt.int(inferred) }),
            el("td", { class: "n strong", text: fmt.int(told + inferred) }),
            el("td", { class: "n", text: fmt.share(told + inferred, all) }),
          );
        }),
      ),
    ),
    el(
      "div",
      { class: "type-bar", role: "img", "aria-label": "Shares of the types" },
      TYPES.filter(([id]) => r.types?.[id]?.told || r.types?.[id]?.inferred).map(([id]) => {
        const t = r.types?.[id] ?? {};
        return el("i", { class: id, style: { width: `${(100 * ((t.told ?? 0) + (t.inferred ?? 0))) / all}%` } });
      }),
    ),
  );
}

const FATES = [
  ["missing", "Missing"],
  ["broken", "Broken"],
  ["oversized", "Oversized"],
];

function images(r, showProblems) {
  const i = r.images ?? {};
  const section = el(
    "section",
    { class: "card stack" },
    el(
      "div",
      { class: "row apart" },
      el("h2", { text: "Images" }),
      i.records_without
        ? el("button", { class: "btn small", on: { click: showProblems } }, `Show ${fmt.plural(i.records_without, "record")} without`)
        : null,
    ),
  );
  if (!i.referenced) return (section.append(el("p", { class: "quiet", text: "No record names an image." })), section);
  section.append(
    meter(i.found, i.referenced, { label: "Images found" }),
    el("p", {
      class: "small-text quiet",
      text: `${fmt.plural(i.referenced, "image")} named by ${fmt.plural(i.references, "reference")}; ${fmt.plural(i.files, "file")} in ${i.source === "none" ? "no folder or zip" : i.source}.`,
    }),
  );
  const rows = FATES.filter(([id]) => i[id]?.count).map(([id, label]) =>
    finding(label, i[id].count, i.referenced, "images", i[id].examples, "bad"),
  );
  if (!rows.length) section.append(el("p", { class: "good-text small-text" }, icon("check"), " Every named image is there and readable."));
  section.append(
    el(
      "div",
      { class: "findings" },
      rows,
      Object.values(i.converted ?? {}).map((c) => finding(c.label, c.count, i.referenced, "images", c.examples)),
      Object.entries(i.matched ?? {})
        .filter(([rule]) => rule !== "exact")
        .map(([, m]) => finding(`Matched by: ${m.label}`, m.count, i.found, "found", m.examples)),
      i.refused?.count
        ? finding(
            "Files of the archive that were not used",
            i.refused.count,
            i.files + i.refused.count,
            "files",
            i.refused.examples,
            "warn",
          )
        : null,
    ),
  );
  return section;
}

const HEADS = { row: "Row", place: "Place", name: "Name", what: "What", way_out: "Way out", first_row: "First seen in row" };

function table(rows, columns) {
  return el(
    "table",
    { class: "table" },
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        columns.map((c) => el("th", { text: HEADS[c] })),
      ),
    ),
    el(
      "tbody",
      {},
      rows.map((row) =>
        el(
          "tr",
          {},
          columns.map((c) =>
            el("td", {
              class: ["row", "first_row"].includes(c) ? "num" : c === "name" || c === "place" ? "mono" : "",
              text: typeof row[c] === "number" ? fmt.int(row[c]) : (row[c] ?? ""),
            }),
          ),
        ),
      ),
    ),
  );
}

/** A line that unfolds to its rows. Lists are capped at the source; the count is not, and the line below says so. */
function finding(label, count, of, ofWhat, rows, tone = "") {
  return el(
    "details",
    { class: `finding ${tone}` },
    el(
      "summary",
      {},
      icon(tone === "bad" || tone === "warn" ? "warn" : "info"),
      el("span", { class: "grow", text: label }),
      el("span", { class: "num quiet", text: of ? `${fmt.ofN(count, of)} ${ofWhat}` : fmt.int(count) }),
      icon("down"),
    ),
    el(
      "ul",
      { class: "finding-rows" },
      rows.map(example),
      rows.length < count ? el("li", { class: "quiet", text: `The first ${fmt.int(rows.length)} of ${fmt.int(count)} are listed.` }) : null,
    ),
  );
}

/** One case: where on the first line, what and the way out below. */
function example(row) {
  const where = [row.row ? `row ${fmt.int(row.row)}` : "", row.first_row ? `first in row ${fmt.int(row.first_row)}` : ""]
    .filter(Boolean)
    .join(", ");
  const name = row.name ?? row.place;
  return el(
    "li",
    {},
    el(
      "p",
      {},
      where ? el("span", { class: "quiet num", text: `${where} ` }) : null,
      name ? el("span", { class: "mono", text: name }) : null,
    ),
    row.what || row.way_out
      ? el("p", {
          class: "quiet",
          text: [row.what, row.way_out]
            .filter(Boolean)
            .map((t) => (/[.!?]$/.test(t) ? t : `${t}.`))
            .join(" "),
        })
      : null,
  );
}

function skipped(r) {
  const section = el("section", { class: "card stack" }, el("h2", { text: "Skipped rows" }));
  if (r.ended_early)
    section.append(
      el(
        "div",
        { class: "problem" },
        icon("warn"),
        el(
          "div",
          {},
          el("p", { class: "strong", text: `Reading ended early at row ${fmt.int(r.ended_early.row)}: ${r.ended_early.what}` }),
          el("p", { class: "quiet", text: r.ended_early.way_out }),
        ),
      ),
    );
  if (!r.skipped_count)
    section.append(el("p", { class: "good-text" }, icon("check"), ` None of ${fmt.plural(r.read, "row")} was skipped.`));
  else {
    const shown = r.skipped.slice(0, 100);
    section.append(
      el("div", { class: "table-scroll" }, table(shown, ["row", "place", "what", "way_out"])),
      shown.length < r.skipped_count
        ? el("p", { class: "quiet small-text", text: `The first ${fmt.int(shown.length)} of ${fmt.int(r.skipped_count)} are listed.` })
        : "",
    );
  }
  return section;
}

function others(r) {
  const d = r.duplicates ?? {};
  const rows = [
    d.content?.count
      ? finding(
          "Records with the very same content as an earlier one (kept)",
          d.content.count,
          r.imported,
          "records",
          d.content.examples,
          "warn",
        )
      : null,
    d.ids?.count
      ? finding("Records with an id that was there before (kept)", d.ids.count, r.imported, "records", d.ids.examples, "warn")
      : null,
    ...Object.values(r.notes ?? {}).map((n) => finding(n.label[0].toUpperCase() + n.label.slice(1), n.count, r.read, "rows", n.examples)),
  ].filter(Boolean);
  return el(
    "section",
    { class: "card stack" },
    el("h2", { text: "Duplicates and notes" }),
    rows.length
      ? el("div", { class: "findings" }, rows)
      : el("p", { class: "good-text" }, icon("check"), ` No duplicate among ${fmt.plural(r.imported, "record")}, nothing to note.`),
  );
}

function facts(r) {
  return el("p", {
    class: "small-text quiet",
    text: [r.file, r.format, r.encoding, fmt.plural(r.turns ?? 0, "turn"), `read in ${fmt.duration(r.seconds)}`]
      .filter(Boolean)
      .join(" · "),
  });
}
