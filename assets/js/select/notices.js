// What stands above the canvas when the cuts on the page are not simply the stored ones: they came with a link, or somebody else changed them.
import { el, fill, icon } from "../studio.js";
import { desk, heard, leaveLink, settle, useLink } from "./desk.js";
import { words } from "./spec.js";

/** Fill a node with the notices in force. Returns a way to stop. */
export function notices(node) {
  const draw = () => {
    fill(node, desk.conflict ? conflict() : desk.link ? link() : null);
    node.hidden = !node.children.length;
  };
  draw();
  return heard("notice", draw);
}

const bar = (kind, text, ...buttons) => el("div", { class: `notice ${kind}`, role: "status" }, icon("info"), el("p", { class: "grow" }, text), buttons);
const button = (text, run, primary = false) => el("button", { type: "button", class: `btn small ${primary ? "primary" : ""}`, text, on: { click: run } });

function conflict() {
  const who = desk.conflict.by && desk.conflict.by !== "screen" ? desk.conflict.by : "Somebody else";
  return bar("conflict", [el("b", { text: `${who} changed the cuts meanwhile` }), ` to ${words(desk.conflict.spec)}. Yours (${words(desk.spec)}) are on the page and not stored yet.`],
    button("Take theirs", () => settle("theirs")), button("Keep mine", () => settle("mine"), true));
}

function link() {
  return bar("from-link", [el("b", { text: "These cuts come from the link" }), `: ${words(desk.spec)}. Stored are ${words(desk.link)}.`],
    button("Back to the stored ones", leaveLink), button("Use them", useLink, true));
}
