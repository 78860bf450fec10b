// How far a rater is: counts with their denominators, speed, and what a rating costs where an hourly wage is set.
import { el, fill, fmt } from "../../studio.js";

const WAGE = "align2-rate-wage";
export const wage = () => { try { return Number(localStorage.getItem(WAGE)) || 0; } catch { return 0; } };
export function setWage(value) {
  try { value > 0 ? localStorage.setItem(WAGE, String(value)) : localStorage.removeItem(WAGE); } catch { /* lasts for this page only */ }
}

/** Draw the strip. progress: the studio's figures; running: seconds spent on the open item so far. */
export function drawProgress(node, progress, running = 0) {
  if (!progress) return fill(node);
  const { rated, skipped, left, of, total, median_seconds: typical, per_hour: pace, seconds_each: each } = progress;
  const fact = (value, label, title = "") => el("span", { class: "rt-fact", title }, el("b", { class: "num", text: value }), " ", label);
  const bar = el("div", { class: "rt-bar", role: "img", "aria-label": `${rated} rated, ${skipped} skipped of ${of}` },
    el("span", { class: "done", style: { width: of ? `${(100 * rated) / of}%` : "0" } }), el("span", { class: "skip", style: { width: of ? `${(100 * skipped) / of}%` : "0" } }));
  fill(node, bar, el("div", { class: "row rt-facts small-text" },
    fact(fmt.ofN(rated, of), "rated"), skipped ? fact(fmt.int(skipped), "skipped", "Skipped ones come back last") : null,
    fact(fmt.int(left), "left", total > of ? `The queue is a sample of ${fmt.int(of)} of the ${fmt.int(total)} places in this data set` : ""),
    total > of ? el("span", { class: "quiet", text: `of a sample from ${fmt.int(total)}` }) : null,
    el("span", { class: "grow" }),
    pace ? fact(fmt.int(Math.round(pace)), "an hour", "Ratings an hour of time spent in front of an item, skips included") : null,
    typical ? fact(`${fmt.number(typical, typical < 10 ? 1 : 0)} s`, "a rating (median)") : null,
    wage() && each ? fact(fmt.number((each * wage()) / 3600, 3), `a rating at ${wage()} an hour`, "Mean time a rating, skips included, × the wage") : null,
    el("span", { class: "quiet num rt-clock", title: "Time in front of this item", text: `${Math.round(running)} s` })));
}
