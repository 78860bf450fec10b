// The Teach tab: its rooms (rate, agreement, exchange, train, trial, trust) and the address of the one that is open.
import { bind, el, emit, empty, fill, island, on, openTab, param, setParams, studio } from "./studio.js";
import { room as agreement } from "./teach/agreement.js";
import { room as exchange } from "./teach/exchange.js";
import { room as rate } from "./teach/rate.js";
import { room as train } from "./teach/train.js";
import { room as trial } from "./teach/trial.js";
import { room as trust } from "./teach/trust.js";

/** A room: {id, title, hint, mount(node) → {open(), close()?}}. `open` is called each time it is shown, also for another data set. */
const ROOMS = [rate, agreement, exchange, train, trial, trust];

bind("teach", "[", "Room before", () => emit("teach-step", -1));
bind("teach", "]", "Next room", () => emit("teach-step", 1));

island("teach", (node) => {
  const rooms = new Map();
  const seg = el("div", { class: "seg teach-rooms", role: "group", "aria-label": "Rooms" });
  const hint = el("p", { class: "quiet teach-hint" });
  const body = el("div", { class: "teach-body" });
  let current = null;

  const draw = () => {
    if (!studio.ready || studio.tab !== "teach") return;
    if (!studio.dataset)
      return fill(node, empty({ title: "Nothing to judge yet", text: "Bring a data set in: its questions and answers are what you rate, and what a scorer learns your taste from.", icon: "folder", action: { label: "Go to Data", run: () => openTab("data") } }));
    if (!body.isConnected) fill(node, el("div", { class: "stack teach" }, el("div", { class: "row teach-head" }, seg, hint), body));
    show(ROOMS.find((r) => r.id === param("room")) ?? ROOMS[0]);
  };

  const show = (next) => {
    if (current && current !== next) rooms.get(current.id)?.parts.close?.();
    current = next;
    if (!rooms.has(next.id)) {
      const place = el("div", { class: `teach-room teach-${next.id}` });
      rooms.set(next.id, { place, parts: next.mount(place) });
    }
    const { place, parts } = rooms.get(next.id);
    for (const { place: other } of rooms.values()) other.hidden = other !== place;
    if (!place.isConnected) body.append(place);
    hint.textContent = next.hint;
    fill(seg, ROOMS.map((r) => el("button", { "aria-pressed": String(r === next), text: r.title, on: { click: () => enter(r) } })));
    parts.open();
  };

  const enter = (next) => {
    setParams({ room: next.id });
    show(next);
  };

  const off = [
    on("dataset", draw),
    on("tab", (id) => (id === "teach" ? draw() : current && rooms.get(current.id)?.parts.close?.())),
    on("teach-room", (id) => { setParams({ room: id }); draw(); }),
    on("teach-step", (by) => { if (current && studio.dataset && !document.querySelector("dialog[open]")) enter(ROOMS[(ROOMS.indexOf(current) + by + ROOMS.length) % ROOMS.length]); }),
  ];
  draw();
  return () => off.forEach((f) => f());
});
