// What the page knows: data sets, the open one, jobs, the tab. The open data set and the tab live in the address, so a reload keeps them.
import { api } from "./api.js";

const BUSY_MS = 1000;
const IDLE_MS = 15000;

const listeners = new Map();

/** Hear of changes: "dataset" (another one is open), "datasets", "jobs", "job-end" (detail: job), "funnel", "activity" (somebody did something to the open data set), "tab", "theme", "online", "dataset-gone" (the open one was deleted). Returns a way to stop. */
export function on(event, f) {
  if (!listeners.has(event)) listeners.set(event, new Set());
  listeners.get(event).add(f);
  return () => listeners.get(event).delete(f);
}
export function emit(event, detail) {
  for (const f of [...(listeners.get(event) ?? [])]) {
    try {
      f(detail);
    } catch (error) {
      console.error(error);
    }
  }
}

export const studio = {
  /** All data sets: {id, name, record_count, …}. */
  datasets: [],
  /** The open one, or null. */
  dataset: null,
  /** Running and recent jobs, running first. */
  jobs: [],
  /** Header stages of the open data set: {id, label, tab, count, of}. */
  funnel: [],
  /** The last thing anybody did to the open data set, and who moved its cuts last: {action, kind, detail, author, selection, selection_author}; null where there is none. */
  activity: null,
  tab: param("tab") || "data",
  /** False until the first answer came. */
  ready: false,
  online: true,
};

/** One value of the address, "" where it is missing. */
export function param(name) {
  return new URLSearchParams(location.search).get(name) ?? "";
}
/** Write values into the address without a reload; "" or null removes. */
export function setParams(values) {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values))
    value === "" || value === null || value === undefined ? params.delete(name) : params.set(name, value);
  const text = params.toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

export function openDataset(id) {
  if (studio.dataset?.id === id) return;
  setParams({ dataset: id, record: null, page: null });
  studio.dataset = studio.datasets.find((d) => d.id === id) ?? null;
  studio.funnel = [];
  emit("dataset", studio.dataset);
  refresh();
}

/** Jobs of the open data set (or of any, with all: true) of these kinds that are queued or running. */
export function activeJobs(kinds = null, { all = false } = {}) {
  return studio.jobs.filter((job) => job.active && (!kinds || kinds.includes(job.kind)) && (all || job.dataset_id === studio.dataset?.id));
}

let timer = 0;
let asking = null;

/** Ask the server now; the next question follows by itself: every second while a job is active, seldom otherwise. */
export function refresh() {
  clearTimeout(timer);
  asking ??= ask().finally(() => {
    asking = null;
    clearTimeout(timer);
    const busy = studio.jobs.some((job) => job.active) || !studio.online;
    timer = setTimeout(refresh, document.hidden && !busy ? IDLE_MS * 4 : busy ? BUSY_MS : IDLE_MS);
  });
  return asking;
}

async function ask() {
  const wanted = Number(param("dataset")) || null;
  let now;
  try {
    now = await api.get("/api/state", { dataset: studio.dataset?.id ?? wanted });
  } catch (error) {
    if (studio.online) {
      studio.online = false;
      emit("online", false);
    }
    return;
  }
  if (!studio.online) {
    studio.online = true;
    emit("online", true);
  }
  take(now, wanted);
}

function take(now, wanted) {
  const before = studio;
  const activeBefore = new Set(before.jobs.filter((job) => job.active).map((job) => job.id));
  const first = !studio.ready;
  const changed = (name, value) => {
    const differs = JSON.stringify(studio[name]) !== JSON.stringify(value);
    studio[name] = value;
    return differs;
  };
  const ended = now.jobs.filter((job) => !job.active && activeBefore.has(job.id));
  const datasets = changed("datasets", now.datasets);
  const jobs = changed("jobs", now.jobs);
  const open = studio.datasets.find((d) => d.id === (studio.dataset?.id ?? wanted)) ?? studio.datasets[0] ?? null;
  const gone = studio.dataset && !studio.datasets.some((d) => d.id === studio.dataset.id) ? studio.dataset : null;
  const otherOpen = open?.id !== studio.dataset?.id;
  studio.dataset = open;
  studio.ready = true;
  const funnel = changed("funnel", otherOpen && !first ? [] : now.funnel);
  const activity = changed("activity", otherOpen && !first ? null : (now.activity ?? null));
  if (otherOpen) setParams({ dataset: open?.id ?? null });
  if (datasets || first) emit("datasets", studio.datasets);
  if (gone) emit("dataset-gone", gone);
  if (otherOpen || first) emit("dataset", open);
  if (funnel || first) emit("funnel", studio.funnel);
  if (activity || first) emit("activity", studio.activity);
  if (jobs || first) emit("jobs", studio.jobs);
  for (const job of ended) emit("job-end", job);
  if (otherOpen && open && now.funnel.length === 0) setTimeout(refresh, 0);
}

export function watchPage() {
  refresh();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  addEventListener("focus", () => refresh());
}
