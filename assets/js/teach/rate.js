// The Rate room: who rates, what, how, and in which order; below it the desk.
import { api, debounce, el, fill, icon, problem, studio, toast } from "../studio.js";
import { kindSwitch, teachKind } from "./kind.js";
import { Desk } from "./rate/desk.js";
import { setWage, wage } from "./rate/progress.js";
import { askRater, nameProblem, raterName } from "./rate/rater.js";

export const room = { id: "rate", title: "Rate", hint: "Judge the candidates of one image; the next one is ready.", mount };

const MODES = [["score", "Score", "A score from 0 to 1 for each candidate"], ["rank", "Rank", "Put the candidates in order"], ["pairs", "Pairs", "Two at a time, until the order is known"], ["hallucination", "Inventions", "Two answers: which one invents less?"]];
const SAVED = "align2-rate-setting";

function saved() {
  try { return JSON.parse(localStorage.getItem(SAVED) ?? "{}") ?? {}; } catch { return {}; }
}

function mount(node) {
  const bar = el("div", { class: "row rt-bar-top" }), body = el("div", { class: "rt-room stack" });
  fill(node, bar, body);
  let desk = null, asked = 0, overview = null, menu = false;

  const setting = () => {
    const kept = saved();
    const kind = teachKind();
    const mode = MODES.some(([id]) => id === kept.mode) ? kept.mode : "score";
    return { dataset: studio.dataset.id, kind, mode: kind === "question" && mode === "hallucination" ? "score" : mode, strategy: kept.strategy ?? "random", seed: kept.seed ?? 0, share: kept.share ?? 0.2 };
  };
  const change = (values) => {
    try { localStorage.setItem(SAVED, JSON.stringify({ ...saved(), ...values })); } catch { /* lasts for this page */ }
    open();
  };

  const drawBar = (now, rater) => {
    const seg = (label, all, current, pick) => el("div", { class: "seg", role: "group", "aria-label": label }, all.map(([id, text, title]) => el("button", { type: "button", title: title ?? "", "aria-pressed": String(id === current), on: { click: (event) => { event.currentTarget.blur(); if (id !== current) pick(id); } } }, text)));
    const order = el("select", { class: "select", "aria-label": "What comes next", on: { change: () => { order.blur(); change({ strategy: order.value }); } } },
      overview.strategies.map(({ id, label, why_not: no }) => el("option", { value: id, text: label, selected: id === now.strategy, disabled: Boolean(no), title: no })));
    const share = el("input", { class: "input num", type: "number", min: 0, max: 100, step: 5, value: Math.round(now.share * 100), on: { change: () => { const value = Number(share.value); if (value >= 0 && value <= 100) change({ share: value / 100 }); } } });
    const cost = el("input", { class: "input num", type: "number", min: 0, step: 1, value: wage() || "", placeholder: "not set", on: { input: debounce(() => { setWage(Number(cost.value)); desk?.drawStrip(); }, 200) } });
    const seed = el("input", { class: "input num", type: "number", min: 0, step: 1, value: now.seed, on: { change: () => { const value = Number(seed.value); if (Number.isInteger(value) && value >= 0) change({ seed: value }); } } });
    const settings = el("div", { class: "popover stack rt-settings", hidden: !menu },
      el("label", { class: "field" }, el("span", { text: "Common items, %" }), share, el("span", { class: "help", text: "Every rater gets these, so that agreement can be computed." })),
      el("label", { class: "field" }, el("span", { text: "Seed" }), seed, el("span", { class: "help", text: "The same seed gives everybody the same sample." })),
      el("label", { class: "field" }, el("span", { text: "Hourly wage" }), cost, el("span", { class: "help", text: "In any currency; shows what a rating costs." })),
      el("div", { class: "stack tight small-text quiet" }, overview.strategies.filter((one) => one.why_not).map((one) => el("p", { text: `${one.label}: ${one.why_not}.` }))));
    fill(bar, kindSwitch(now.kind, open),
      seg("How", now.kind === "question" ? MODES.filter(([id]) => id !== "hallucination") : MODES, now.mode, (mode) => change({ mode })),
      el("span", { class: "picker rt-order" }, order, icon("down")), el("span", { class: "grow" }),
      el("button", { class: "btn small plain rt-rater", title: "Another rater", on: { click: () => { desk?.close(); desk = null; fill(bar); askRater(body, overview.raters, open); } } }, el("span", { class: "quiet", text: "Rater" }), el("b", { class: "clip", text: rater })),
      el("div", { class: "pop-anchor" }, el("button", { class: "btn small", "aria-expanded": String(menu), on: { click: (event) => { menu = !menu; settings.hidden = !menu; event.currentTarget.setAttribute("aria-expanded", String(menu)); event.currentTarget.blur(); } } }, "Settings"), settings));
  };

  async function open() {
    const turn = ++asked;
    desk?.close();
    desk = null;
    const rater = raterName();
    let now = setting();
    if (!body.childElementCount) fill(body, el("div", { class: "skeleton rt-skeleton", "aria-label": "The queue is drawn" }));
    try {
      const { dataset, kind, mode, seed } = now;
      overview = await api.get("/api/ratings", { dataset, kind, mode, seed });
    } catch (error) {
      if (turn === asked) fill(body, problem(error));
      return;
    }
    if (turn !== asked) return;
    if (nameProblem(rater)) { fill(bar); return askRater(body, overview.raters, open); }
    const barred = overview.strategies.find((one) => one.id === now.strategy && one.why_not);
    if (barred) {
      now = { ...now, strategy: "random" };
      toast(`“${barred.label}” can't be followed here, so the order is random.`, { hint: `${barred.why_not}.` });
    }
    drawBar(now, rater);
    desk = new Desk(body, { rater, setting: now, overview, other: change });
  }

  return { open, close: () => { asked++; desk?.close(); desk = null; } };
}
