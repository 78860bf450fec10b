// The Data tab: its two columns, the list of data sets, the keys. Records, report and form are modules of their own.
import { api, bind, confirm, el, empty, fill, fmt, icon, island, jobList, on, openDataset, param, refresh, setParams, studio, tell, toast } from "./studio.js";
import { importForm, importing } from "./data-import.js";
import { RecordsPage, view } from "./data-records.js";

island("data", (node) => {
  view.read();
  const rail = el("aside", { class: "rail stack wide data-rail", "aria-label": "Data sets and filters" });
  const main = el("div", { class: "data-main stack" });
  fill(node, el("div", { class: "with-rail" }, rail, main));
  const page = new RecordsPage(main);
  const draw = () => {
    drawRail(rail, page);
    if (!studio.ready) return;
    const place = param("view");
    if (place === "add" || (!studio.dataset && !importing())) return importForm(main, { leave: () => go("") });
    if (!studio.dataset)
      return fill(
        main,
        empty({
          title: "The first data set is on its way in",
          text: "Its records show up here as soon as the import has ended.",
          icon: "upload",
        }),
      );
    page.show(place === "report" ? "report" : "records");
  };
  const go = (place) => {
    setParams({ view: place });
    draw();
  };
  page.go = go;
  const off = [
    on("dataset", () => {
      if (studio.ready && page.seen !== null && page.seen !== studio.dataset?.id) {
        view.clear();
        if (param("view") === "add") setParams({ view: null });
      }
      draw();
    }),
    on("datasets", () => {
      drawRail(rail, page);
      if (!studio.dataset) draw();
    }),
    on("jobs", () => {
      if (!studio.dataset && param("view") !== "add") draw();
    }),
    on("job-end", (job) => {
      if (job.kind === "import") importEnded(job, go);
    }),
    on("tab", (tab) => {
      if (tab === "data") draw();
    }),
  ];
  keysOfGrid(page);
  draw();
  return () => off.forEach((f) => f());
});

function importEnded(job, go) {
  const id = job.result?.dataset_id;
  if (job.state === "done" && id) {
    toast(`“${job.name}” is in: ${fmt.plural(job.result.imported ?? 0, "record")}.`, {
      kind: "good",
      action: {
        label: "Open",
        run: () => {
          openDataset(id);
          go("report");
        },
      },
      seconds: 12,
    });
  } else if (job.state === "failed")
    toast(`The import of “${job.name}” ended without a data set: ${job.error}`, { kind: "bad", hint: job.hint, seconds: 20 });
  else if (job.state === "cancelled") toast(`The import of “${job.name}” was stopped; nothing of it was kept.`);
}

// --- the rail

function drawRail(rail, page) {
  const jobs = el("div", { class: "stack tight" });
  rail.stopJobs?.();
  rail.stopJobs = jobList(jobs, (job) => job.kind === "import" && job.active, {});
  fill(
    rail,
    el("button", { class: "btn primary", on: { click: () => page.go("add") } }, icon("plus"), "Bring data in"),
    jobs,
    studio.datasets.length
      ? el(
          "section",
          { class: "stack tight" },
          el("h3", { text: fmt.plural(studio.datasets.length, "data set") }),
          el(
            "ul",
            { class: "set-list" },
            studio.datasets.map((d) => setRow(d, page)),
          ),
        )
      : null,
    studio.dataset ? page.filters : null,
  );
}

function setRow(dataset, page) {
  const open = dataset.id === studio.dataset?.id;
  return el(
    "li",
    { class: open ? "open" : "" },
    el(
      "button",
      {
        class: "set",
        "aria-current": open ? "true" : null,
        on: {
          click: () => {
            if (open) page.go("");
            else openDataset(dataset.id);
          },
        },
      },
      el("span", { class: "clip strong", title: dataset.name, text: dataset.name }),
      el("span", {
        class: "small-text quiet clip",
        text: `${fmt.plural(dataset.record_count, "record")} · ${fmt.when(dataset.created_at)}`,
      }),
    ),
    el(
      "button",
      { class: "icon-btn", "aria-label": `Delete ${dataset.name}`, title: "Delete", on: { click: () => remove(dataset) } },
      icon("trash"),
    ),
  );
}

async function remove(dataset) {
  try {
    const now = await api.get(`/api/datasets/${dataset.id}`);
    const sure = await confirm({
      title: `Delete “${now.name}”?`,
      danger: true,
      action: `Delete ${fmt.plural(now.record_count, "record")}`,
      text: [
        `${fmt.plural(now.record_count, "record")} go, with their scores, decisions, selections and rewrites. This can't be undone.`,
        "The files you imported from, and exports you made, stay where they are.",
      ],
    });
    if (!sure) return;
    const gone = await api.delete(`/api/datasets/${dataset.id}`);
    toast(`“${gone.deleted}” is deleted: ${fmt.plural(gone.records, "record")}.`);
  } catch (error) {
    tell(error);
  }
  await refresh();
}

function keysOfGrid(page) {
  bind("data", ["ArrowRight", "j"], "Next record", () => page.move(1));
  bind("data", ["ArrowLeft", "k"], "Previous record", () => page.move(-1));
  bind("data", "ArrowDown", "Record below", (e) => page.move(page.columns()));
  bind("data", "ArrowUp", "Record above", () => page.move(-page.columns()));
  bind("data", "Enter", "Open the record", () => {
    const card = page.cards[page.at];
    if (card) page.open(card.id);
  });
  bind("data", ["]", "PageDown"], "Next page", () => page.turn?.(1));
  bind("data", ["[", "PageUp"], "Previous page", () => page.turn?.(-1));
  bind("data", "/", "Search", () => {
    page.search.focus();
    page.search.select();
  });
  bind("data", "n", "Bring data in", () => page.go("add"));
}
