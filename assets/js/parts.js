// Pieces of screen that several tabs need: toasts, questions to a person, progress, empty states, problems.
import { api } from "./api.js";
import { el, fill, icon } from "./dom.js";
import { duration, int, ofN, rate, share } from "./format.js";
import { on, refresh, studio } from "./state.js";

/** A short message at the foot of the page. kind: "good" | "bad" | "". An action {label, run} puts a button beside it (undo …). */
export function toast(message, { kind = "", hint = "", action = null, seconds = kind === "bad" ? 10 : 5 } = {}) {
  let stack = document.querySelector(".toasts");
  if (!stack) document.body.append((stack = el("div", { class: "toasts", role: "status", "aria-live": "polite" })));
  const close = () => node.remove();
  const node = el(
    "div",
    { class: `toast ${kind}` },
    el("div", { class: "toast-text" }, el("p", { text: message }), hint ? el("p", { class: "quiet", text: hint }) : null),
    action
      ? el("button", {
          class: "btn small",
          text: action.label,
          on: {
            click: () => {
              close();
              action.run();
            },
          },
        })
      : null,
    el("button", { class: "icon-btn", "aria-label": "Dismiss", on: { click: close } }, icon("close")),
  );
  stack.append(node);
  setTimeout(close, seconds * 1000);
}

/** Show an error (ApiError or other) as a toast. */
export function tell(error) {
  if (error?.name === "AbortError") return;
  if (!error?.status && !error?.hint) console.error(error);
  toast(error.message || String(error), { kind: "bad", hint: error.hint ?? "" });
}

/** A question with two answers; true when the person agreed. */
export function confirm({ title, text, action = "Go on", danger = false }) {
  return new Promise((resolve) => {
    const dialog = el(
      "dialog",
      {
        class: "sheet modal",
        "aria-label": title,
        on: {
          close: () => {
            resolve(dialog.returnValue === "yes");
            dialog.remove();
          },
        },
      },
      el("h2", { text: title }),
      [text].flat().map((line) => el("p", { text: line })),
      el(
        "form",
        { method: "dialog", class: "row end" },
        el("button", { class: "btn", value: "no", text: "Cancel" }),
        el("button", { class: `btn ${danger ? "danger" : "primary"}`, value: "yes", text: action }),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A calm box that says what is missing and what to do next. */
export function empty({ title, text = "", icon: name = "info", action = null }) {
  return el(
    "div",
    { class: "empty" },
    icon(name),
    el("h3", { text: title }),
    text ? el("p", { text }) : null,
    action ? el("button", { class: "btn primary", text: action.label, on: { click: action.run } }) : null,
  );
}

/** An error that stays on the page: what, where, what to do. */
export function problem(error) {
  return el(
    "div",
    { class: "problem", role: "alert" },
    icon("warn"),
    el(
      "div",
      {},
      el("p", { class: "strong" }, error.place ? `${error.place}: ` : "", error.message),
      error.hint ? el("p", { class: "quiet", text: error.hint }) : null,
    ),
  );
}

/** n of N with a thin bar. */
export function meter(n, of, { label = "" } = {}) {
  return el(
    "div",
    { class: "meter", role: "img", "aria-label": `${label} ${ofN(n, of)}`.trim() },
    el("div", { class: "meter-bar" }, el("div", { style: { width: of ? `${Math.min(100, (100 * n) / of)}%` : "0" } })),
    el("span", { class: "num", text: `${ofN(n, of)} · ${share(n, of)}` }),
  );
}

const KINDS = { import: "Import", import_ratings: "Ratings", score: "Scoring", compare_precision: "Precisions", rewrite: "Rewriting", export: "Export", tune: "Fine-tune", teach: "Teaching", ask: "Question", explain: "Why this score", trial: "Trial of a scorer", trust: "Trust report", index: "Search index", signal: "Signal", signal_model: "Signal" };
export const jobName = (job) => KINDS[job.kind] ?? job.kind;
const STATES = { queued: "waiting", running: "running", done: "done", failed: "failed", cancelled: "stopped" };
export const jobState = (job) => (job.active && job.cancel_requested ? "stopping" : STATES[job.state]);

export async function stopJob(job) {
  try {
    await api.post(`/api/jobs/${job.id}/cancel`);
    await refresh();
  } catch (error) {
    tell(error);
  }
}

/** One job as a row: bar, done of total, rate, time left, stop. update(job) draws it anew. */
export function jobRow(job, { title = "" } = {}) {
  const bar = el("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, el("div", { class: "bar-fill" }));
  const head = el("div", { class: "job-head" });
  const facts = el("div", { class: "job-facts num" });
  const note = el("div", { class: "job-note" });
  const node = el("div", { class: "job" }, head, bar, facts, note);
  const update = (now) => {
    const known = now.total > 0;
    const percent = known ? Math.min(100, (100 * now.done) / now.total) : 0;
    node.className = `job ${now.state}`;
    node.dataset.job = now.id;
    const stop = now.active
      ? el(
          "button",
          { class: "btn small", disabled: now.cancel_requested, on: { click: () => stopJob(now) } },
          icon("stop"),
          now.cancel_requested ? "Stopping" : "Stop",
        )
      : null;
    fill(
      head,
      el("span", { class: "job-title", text: title || [jobName(now), now.name].filter(Boolean).join(" · ") }),
      el("span", { class: `chip ${now.state}`, text: jobState(now) }),
      stop,
    );
    bar.hidden = !now.active;
    bar.classList.toggle("unknown", now.active && !known);
    bar.firstChild.style.width = known ? `${percent}%` : "";
    if (known) bar.setAttribute("aria-valuenow", Math.round(percent));
    else bar.removeAttribute("aria-valuenow");
    const parts = [
      now.active ? now.stage : "",
      known ? ofN(now.done, now.total) : now.done ? int(now.done) : "",
      now.active ? rate(now.rate) : "",
      now.active && now.left_s !== null ? `${duration(now.left_s)} left` : "",
      !now.active && now.started_at && now.ended_at ? `took ${duration(now.ended_at - now.started_at)}` : "",
    ];
    facts.textContent = parts.filter(Boolean).join(" · ");
    fill(
      note,
      now.error ? el("p", { class: "bad-text", text: now.error }) : null,
      now.hint ? el("p", { class: "quiet", text: now.hint }) : null,
      now.active && now.message ? el("p", { class: "quiet", text: now.message }) : null,
    );
  };
  update(job);
  return { node, update };
}

/** Keep the jobs that `wanted` picks drawn inside a node, as long as the node is on the page. Returns a way to stop. */
export function jobList(node, wanted, options = {}) {
  const rows = new Map();
  const draw = () => {
    const jobs = studio.jobs.filter(wanted);
    for (const [id, row] of rows)
      if (!jobs.some((job) => job.id === id)) {
        row.node.remove();
        rows.delete(id);
      }
    jobs.forEach((job, i) => {
      if (!rows.has(job.id)) rows.set(job.id, jobRow(job, options));
      const row = rows.get(job.id);
      row.update(job);
      if (node.children[i] !== row.node) node.insertBefore(row.node, node.children[i] ?? null);
    });
    node.hidden = jobs.length === 0;
  };
  draw();
  const stop = [on("jobs", draw), on("dataset", draw)];
  return () => stop.forEach((f) => f());
}
