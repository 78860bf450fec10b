// The keyboard: layers of keys, and the overlay that lists them.
import { el, fill } from "./dom.js";
import { studio } from "./state.js";

const base = [];
const layers = [];

/** Keys that work everywhere ("*") or in one tab. bind("data", "j", "Next record", f). `key` as KeyboardEvent.key, or several in a list. */
export function bind(scope, key, label, f) {
  base.push({ scope, keys: [key].flat(), label, f });
}

/** Put a layer on top (a large view, a workbench): only its keys and the "*" ones count. entries: [[key or keys, label, f], …]. Returns a way to remove it. */
export function pushKeys(title, entries) {
  const layer = { title, entries: entries.map(([key, label, f]) => ({ keys: [key].flat(), label, f })) };
  layers.push(layer);
  return () => {
    const i = layers.indexOf(layer);
    if (i >= 0) layers.splice(i, 1);
  };
}

const typing = (target) =>
  target.isContentEditable ||
  ["TEXTAREA", "SELECT"].includes(target.tagName) ||
  (target.tagName === "INPUT" && !["checkbox", "radio", "button", "range"].includes(target.type));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (typing(event.target)) return;
  if (document.querySelector("dialog[open].modal") && !layers.length) return;
  const top = layers.at(-1);
  const everywhere = base.filter((b) => b.scope === "*");
  const candidates = top ? [...top.entries, ...everywhere] : [...base.filter((b) => b.scope === studio.tab), ...everywhere];
  const hit = candidates.find((b) => b.keys.includes(event.key));
  if (!hit) return;
  if (["Enter", " "].includes(event.key) && event.target.closest("button, a, summary, [role=button]")) return;
  event.preventDefault();
  hit.f(event);
});

const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", " ": "Space" };

/** Show or hide the list of keys that count here. */
export function toggleKeyHelp() {
  const open = document.querySelector("dialog.key-help");
  if (open) {
    open.close();
    return;
  }
  const top = layers.at(-1);
  const everywhere = base.filter((b) => b.scope === "*" && !top?.entries.some((entry) => b.keys.every((key) => entry.keys.includes(key)))); // a key the layer takes means something else here
  const groups = [
    top ? [top.title, top.entries] : ["On this tab", base.filter((b) => b.scope === studio.tab)],
    ["Everywhere", everywhere],
  ].filter(([, entries]) => entries.length);
  const dialog = el("dialog", {
    class: "key-help sheet",
    "aria-label": "Keys",
    on: {
      close: () => dialog.remove(),
      click: (e) => {
        if (e.target === dialog) dialog.close();
      },
    },
  });
  fill(
    dialog,
    el("h2", { text: "Keys" }),
    groups.map(([title, entries]) =>
      el(
        "section",
        {},
        el("h3", { text: title }),
        el(
          "dl",
          {},
          entries.map((b) => [
            el(
              "dt",
              {},
              [...new Set(b.keys.map((k) => NAMES[k] ?? (k.length === 1 ? k.toUpperCase() : k)))].map((text) => el("kbd", { text })),
            ),
            el("dd", { text: b.label }),
          ]),
        ),
      ),
    ),
  );
  dialog.append(el("form", { method: "dialog" }, el("button", { class: "btn", text: "Close" })));
  document.body.append(dialog);
  dialog.showModal();
}
bind("*", "?", "Show or hide this list", toggleKeyHelp);
