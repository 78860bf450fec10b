// The header: which data set is open, how far it has come, what is running.
import {
  bind,
  el,
  fill,
  fmt,
  icon,
  isDark,
  island,
  jobList,
  on,
  openDataset,
  openTab,
  studio,
  toast,
  toggleKeyHelp,
  toggleTheme,
} from "./studio.js";

function picker() {
  const select = el("select", { class: "select", "aria-label": "Open data set", on: { change: () => openDataset(Number(select.value)) } });
  const draw = () => {
    if (!studio.ready) return fill(select, el("option", { text: "…" }));
    select.disabled = studio.datasets.length === 0;
    fill(
      select,
      studio.datasets.length === 0
        ? el("option", { text: "No data set yet" })
        : studio.datasets.map((d) =>
            el("option", { value: String(d.id), text: `${d.name} · ${fmt.int(d.record_count)}`, selected: d.id === studio.dataset?.id }),
          ),
    );
  };
  draw();
  on("datasets", draw);
  on("dataset", draw);
  return el("div", { class: "picker" }, select, icon("down"));
}

const BLANK = [
  ["imported", "Imported", "data"],
  ["questions", "Questions kept", "select"],
  ["answers", "Answers kept", "select"],
  ["rewritten", "Rewritten", "rewrite"],
  ["exported", "Exported", "export"],
].map(([id, label, tab]) => ({ id, label, tab, count: null, of: null }));

function funnel() {
  const list = el("ol", { class: "funnel", "aria-label": "From import to export" });
  const draw = () =>
    fill(
      list,
      (studio.funnel.length ? studio.funnel : BLANK).map((stage) => {
        const known = stage.count !== null && stage.count !== undefined;
        const text = known ? fmt.ofN(stage.count, stage.of) : "not yet";
        return el(
          "li",
          { class: known ? "known" : "", data: { stage: stage.id } },
          el(
            "button",
            { title: `${stage.label}: ${text}`, on: { click: () => openTab(stage.tab) } },
            el("span", { class: "funnel-label", text: stage.label }),
            el(
              "span",
              { class: "funnel-count num" },
              known ? [el("b", { text: fmt.int(stage.count) }), ` of ${fmt.int(stage.of)}`] : "not yet",
            ),
            el(
              "span",
              { class: "funnel-bar" },
              el("i", { style: { width: known && stage.of ? `${Math.min(100, (100 * stage.count) / stage.of)}%` : "0" } }),
            ),
          ),
        );
      }),
    );
  draw();
  on("funnel", draw);
  on("dataset", draw);
  return list;
}

function jobsButton() {
  const label = el("span", { class: "jobs-label" });
  const pop = el("div", { class: "popover", hidden: true, role: "dialog", "aria-label": "Jobs" });
  const list = el("div", { class: "job-list" });
  const none = el("p", { class: "quiet", text: "Nothing has run yet. Imports, scoring, rewriting and training show up here." });
  fill(pop, el("h3", { text: "Jobs" }), none, list);
  jobList(list, () => true);
  const button = el(
    "button",
    {
      class: "btn jobs-btn",
      "aria-haspopup": "dialog",
      "aria-expanded": "false",
      on: {
        click: (e) => {
          e.stopPropagation();
          show(pop.hidden);
        },
      },
    },
    el("span", { class: "pulse" }),
    label,
  );
  const show = (open) => {
    pop.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  };
  const draw = () => {
    const active = studio.jobs.filter((job) => job.active);
    button.classList.toggle("busy", active.length > 0);
    const one = active[0];
    label.textContent = !active.length
      ? "Jobs"
      : active.length === 1 && one.total
        ? `${Math.floor((100 * one.done) / one.total)} %`
        : `${active.length} running`;
    button.title = active.length ? fmt.plural(active.length, "job") + " at work" : "Jobs";
    none.hidden = studio.jobs.length > 0;
  };
  draw();
  on("jobs", draw);
  document.addEventListener("click", (e) => {
    if (!pop.hidden && !pop.contains(e.target)) show(false);
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && !pop.hidden) {
      show(false);
      button.focus();
    }
  });
  bind("*", "g", "Show or hide the jobs", () => show(pop.hidden));
  return el("div", { class: "pop-anchor" }, button, pop);
}

function themeButton() {
  const button = el("button", { class: "icon-btn", on: { click: toggleTheme } });
  const draw = () => {
    fill(button, icon(isDark() ? "sun" : "moon"));
    button.setAttribute("aria-label", isDark() ? "Light theme" : "Dark theme");
    button.title = `${button.getAttribute("aria-label")} (T)`;
  };
  draw();
  on("theme", draw);
  return button;
}

island("header", (node) => {
  on("dataset-gone", (gone) =>
    toast(`“${gone.name}” is not here any more: it was deleted.`, {
      hint: studio.dataset && studio.dataset.id !== gone.id ? `“${studio.dataset.name}” is open now.` : "",
    }),
  );
  const offline = el("div", {
    class: "offline",
    hidden: studio.online,
    role: "alert",
    text: "The studio does not answer. Work that was started goes on; this page picks up when it is back.",
  });
  on("online", (online) => {
    offline.hidden = online;
  });
  fill(
    node,
    el(
      "header",
      { class: "top" },
      el(
        "a",
        { class: "brand", href: "/", "aria-label": "Align² Studio, start" },
        el("img", { src: "/studio/logo.svg", alt: "", width: 26, height: 26 }),
        el("span", {}, "Align", el("sup", { text: "2" }), el("em", { text: " Studio" })),
      ),
      picker(),
      funnel(),
      el(
        "div",
        { class: "top-actions" },
        jobsButton(),
        el("button", { class: "icon-btn", title: "Keys (?)", "aria-label": "Keys", on: { click: toggleKeyHelp } }, icon("keyboard")),
        themeButton(),
      ),
    ),
    offline,
  );
});
