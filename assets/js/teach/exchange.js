// Room of the Teach tab: ratings from files and into files, what each origin says, whether it teaches, and what files contradict.
import { activeJobs, api, el, empty, fill, fmt, jobList, on, param, problem, setParams, studio, toast } from "../studio.js";
import { bringIn } from "./exchange/bring-in.js";
import { contradictions } from "./exchange/contradictions.js";
import { origins } from "./exchange/origins.js";
import { importList, importReport } from "./exchange/report.js";
import { takeOut } from "./exchange/take-out.js";

export const room = { id: "exchange", title: "In and out", hint: "Ratings from files and into files; what your own edits say.", mount };

function mount(node) {
  const view = { everything: false, told: null, asked: 0, open: false };
  const main = el("div", { class: "stack xc-main" });
  const rail = el("aside", { class: "stack xc-rail" });
  const running = el("div", { class: "stack tight card", hidden: true });
  const body = el("div", { class: "stack" });
  const scope = () => (view.everything ? null : studio.dataset?.id);
  const form = el("section", { class: "card stack" });
  const out = el("section", { class: "card stack" });
  fill(main, running, body);
  fill(rail, form, out);
  fill(node, el("div", { class: "xc-columns" }, main, rail));
  jobList(running, (job) => job.kind === "import_ratings" && job.active);

  async function load() {
    const turn = ++view.asked;
    if (!view.told) fill(body, el("div", { class: "skeleton xc-skeleton" }));
    try {
      const told = await api.get("/api/rating_exchange", { dataset: scope() });
      if (turn !== view.asked) return;
      view.told = told;
      draw();
    } catch (error) {
      if (turn === view.asked) fill(body, problem(error));
    }
  }

  function draw() {
    const { told } = view;
    const ended = told.imports.filter((job) => !job.active);
    const shown = ended.find((job) => job.id === Number(param("import")));
    const choose = (id) => { setParams({ import: id }); draw(); if (id) main.scrollIntoView({ block: "nearest" }); };
    const nothing = !told.origins.length;
    fill(body, head(),
      shown ? importReport(shown, { close: () => choose(null) }) : null,
      told.contradictions.open || told.contradictions.settled ? contradictions(told.contradictions, { scope, changed: load }) : null,
      nothing
        ? el("section", { class: "card" }, empty({ icon: "upload", title: "No preference is known yet", text: activeJobs(["import_ratings"], { all: true }).length ? "A file is being read." : "Rate candidates in the room Rate, bring a file of ratings in at the right, or edit rewrites and keep and drop records: each of these says what is better." }))
        : origins(told, { scope, changed: load }),
      ended.length ? importList(ended, shown, { choose }) : null);
    takeOut(out, { scope, acts: told.origins.some((row) => row.group === "act"), known: !nothing });
  }

  function head() {
    const choice = (everything, text) => el("button", { "aria-pressed": String(view.everything === everything), text, on: { click: () => { if (view.everything === everything) return; view.everything = everything; load(); } } });
    const t = view.told.teaching;
    const part = (kind, words) => el("span", { class: "num" }, el("b", { text: fmt.int(t[kind].pairs) }), ` ${t[kind].pairs === 1 ? "pair" : "pairs"} about ${words} on ${fmt.plural(t[kind].images, "image")}`);
    return el("div", { class: "row apart xc-head" },
      el("div", { class: "row xc-sum" }, el("span", { class: "quiet", text: "Teaching now:" }), part("question", "questions"), part("answer", "answers")),
      el("div", { class: "seg small", role: "group", "aria-label": "Which ratings" }, choice(false, studio.dataset?.name.length > 24 ? "This data set" : studio.dataset?.name ?? "This data set"), choice(true, "Whole workspace")));
  }

  on("job-end", (job) => {
    if (job.kind !== "import_ratings") return;
    if (view.open) setParams({ import: job.id });
    if (job.state === "done") toast(`“${job.name}” is in.`, { kind: "good" });
    if (job.state === "failed") toast(`“${job.name}” was not taken in.`, { kind: "bad", hint: job.error });
    if (view.open) load();
  });

  return {
    open: () => { view.open = true; bringIn(form, { started: load }); load(); },
    close: () => { view.open = false; },
  };
}
