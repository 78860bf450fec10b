// Looking closely: a record's thumbnail, and the large view with image, whole conversation and all candidates.
import { api } from "./api.js";
import { add, el, fill, icon } from "./dom.js";
import { scoresWithWhy } from "./explain.js";
import * as fmt from "./format.js";
import { pushKeys } from "./keys.js";
import { problem, tell } from "./parts.js";

/** The picture of a card-shaped object ({image, text_only, problem}), or a tile that says why there is none. `large` takes the original file. */
export function photo(card, { large = false } = {}) {
  if (card.image) {
    const tile = el("div", { class: `photo ${large ? "large" : ""}` });
    const img = el("img", {
      src: `/media/${large ? "image" : "thumb"}/${card.image}`,
      alt: `Image of record ${card.key ?? ""}`,
      loading: large ? "eager" : "lazy",
      decoding: "async",
    });
    img.addEventListener("error", () => fill(tile, noPhoto("broken", "This image's file is gone from the workspace")));
    tile.append(img);
    return tile;
  }
  return el(
    "div",
    { class: `photo none ${large ? "large" : ""}` },
    card.text_only ? noPhoto("text", "Text only") : noPhoto("broken", card.problem || "No readable image"),
  );
}
const noPhoto = (name, text) => el("div", { class: "no-photo" }, icon(name), el("span", { text }));

export const typeChip = (record) =>
  el(
    "span",
    { class: `chip ${record.type}`, title: record.type_told ? "The file names this type" : "Inferred from the conversation" },
    record.type_label,
    record.type_told ? "" : el("span", { class: "quiet", text: "inferred" }),
  );

/** Images of a record: the first large, others as a strip; unreadable ones with their reason. */
function pictures(record) {
  const main = el("div", { class: "viewer-image" });
  const show = (image) =>
    fill(main, photo({ key: record.key, image: image?.sha, problem: image?.problem, text_only: record.text_only }, { large: true }));
  show(record.images.find((i) => i.sha) ?? record.images[0]);
  const caption = record.images.map((image) =>
    el(
      "p",
      { class: "small-text quiet clip", title: image.path },
      image.path,
      image.width ? ` · ${image.width} × ${image.height}` : "",
      image.notes?.length ? ` · ${image.notes.join(", ")}` : "",
    ),
  );
  const strip =
    record.images.length > 1
      ? el(
          "div",
          { class: "viewer-strip" },
          record.images.map((image) =>
            el(
              "button",
              { title: image.path, on: { click: () => show(image) } },
              photo({ image: image.sha, problem: image.problem, key: record.key }),
            ),
          ),
        )
      : null;
  return el("div", { class: "viewer-left" }, main, strip, el("div", { class: "viewer-caption" }, caption));
}

function answers(turn, number) {
  const many = turn.answers.length > 1;
  return turn.answers.map((text, i) =>
    el(
      "div",
      { class: "answer" },
      el(
        "div",
        { class: "turn-label", data: { label: `answer-${number}-${i}` } },
        many ? `Answer ${i + 1} of ${turn.answers.length}` : "Answer",
        turn.scores?.[i] !== undefined && turn.scores?.[i] !== null
          ? el("span", { class: "chip", title: "A score the file brought along", text: `file's score ${fmt.number(turn.scores[i])}` })
          : null,
      ),
      text ? el("p", { class: "record-text", dir: "auto", data: { text: `answer-${number}-${i}` }, text }) : el("p", { class: "quiet", text: "(empty)" }),
    ),
  );
}

/** A question with its `<image>` placeholders drawn as small marks. */
function questionText(text) {
  const parts = (text || "(empty)").split(/\s*<image>\s*/);
  return parts.map((part, i) => [
    i ? el("span", { class: "image-mark", title: "The picture stands here: <image>" }, icon("image")) : null,
    part,
  ]);
}

/** The conversation of a whole record, as a node. */
export function conversation(record) {
  const shown = record.conversation.slice(0, 200);
  return el(
    "div",
    { class: "conversation-list" },
    shown.map((turn, i) =>
      el(
        "section",
        { class: "turn" },
        el("div", {
          class: "turn-label",
          data: { label: `question-${i}` },
          text: record.conversation.length > 1 ? `Question ${i + 1} of ${record.conversation.length}` : "Question",
        }),
        el("p", { class: "question record-text", dir: "auto", data: { text: `question-${i}` } }, questionText(turn.question)),
        answers(turn, i),
      ),
    ),
    record.conversation.length > shown.length
      ? el("p", { class: "quiet", text: `${fmt.int(shown.length)} of ${fmt.int(record.conversation.length)} turns are shown.` })
      : null,
  );
}

function details(record) {
  const names = Object.keys(record.extra ?? {});
  if (!names.length) return null;
  return el(
    "details",
    { class: "extra" },
    el("summary", { text: `${fmt.plural(names.length, "other field")} of the file` }),
    el(
      "dl",
      {},
      names.map((name) => [
        el("dt", { class: "mono", text: name }),
        el("dd", {
          class: "record-text",
          text: typeof record.extra[name] === "string" ? record.extra[name] : JSON.stringify(record.extra[name], null, 1),
        }),
      ]),
    ),
  );
}

let open = null;

/**
 * Open the large view of a record. `ids` are walked by the arrows; or `walk(step, id)` gives the next id (a promise; null: no more).
 * `position(id)` gives a text like "12 of 700"; `moved(id)` hears of each move, `closed(id)` of the end; `more(record)` adds a node under the conversation,
 * `actions(record)` one into the head line (asked for first). `keys`: more keys as pushKeys takes them; they outrank the view's own.
 */
export function openRecord(id, { ids = null, walk = null, position = null, moved = null, closed = null, more = null, actions = null, keys = [] } = {}) {
  open?.close();
  let current = id;
  let asked = 0;
  let why = null;
  const body = el("div", { class: "viewer-body" });
  const title = el("div", { class: "viewer-title" });
  const place = el("span", { class: "quiet num" });
  const walker = walk ?? (ids ? async (step, from) => ids[ids.indexOf(from) + step] ?? null : async () => null);
  const acts = el("div", { class: "viewer-actions" });
  const step = async (by) => {
    let next;
    try {
      next = await walker(by, current);
    } catch (error) {
      return tell(error);
    }
    if (next !== null && next !== undefined && dialog.isConnected) {
      current = next;
      moved?.(current);
      show();
    }
  };
  const nav = (name, label, by) =>
    el(
      "button",
      { class: "icon-btn", "aria-label": label, title: `${label} (${by < 0 ? "←" : "→"})`, on: { click: () => step(by) } },
      icon(name),
    );
  const dialog = el(
    "dialog",
    { class: "viewer sheet", "aria-label": "Record" },
    el(
      "div",
      { class: "viewer-top" },
      title,
      acts,
      place,
      nav("left", "Previous record", -1),
      nav("right", "Next record", 1),
      el("button", { class: "icon-btn", "aria-label": "Close", title: "Close (Esc)", on: { click: () => dialog.close() } }, icon("close")),
    ),
    body,
  );

  async function show() {
    const turn = ++asked;
    why?.close();
    why = null;
    place.textContent = position?.(current) ?? (ids ? fmt.ofN(ids.indexOf(current) + 1, ids.length) : "");
    let record;
    try {
      record = await api.get(`/api/records/${current}`);
    } catch (error) {
      if (turn === asked) fill(body, problem(error));
      return;
    }
    if (turn !== asked) return;
    fill(
      title,
      el("h2", { class: "clip", title: record.key, text: record.key }),
      typeChip(record),
      el("span", { class: "chip", text: `row ${fmt.int(record.row)}` }),
    );
    fill(acts, actions?.(record));
    const right = el("div", { class: "viewer-right", tabIndex: 0, "aria-label": "Conversation" }, conversation(record), details(record));
    const extra = more?.(record);
    if (extra) add(right, [extra]);
    const left = pictures(record);
    fill(body, left, right);
    why = scoresWithWhy(record, { left, right, plain: questionText });
  }

  const taken = new Set(keys.flatMap(([key]) => key));
  const free = (...names) => names.filter((name) => !taken.has(name));
  const pop = pushKeys("Large view", [
    ...keys,
    [free("ArrowLeft", "k"), "Previous record", () => step(-1)],
    [free("ArrowRight", "j"), "Next record", () => step(1)],
    ["h", "Colours of an explanation over the photo, on or off", () => why?.toggleHeat()],
    ["Escape", "Close", () => dialog.close()],
  ]);
  dialog.addEventListener("close", () => {
    pop();
    why?.close();
    dialog.remove();
    if (open === dialog) open = null;
    closed?.(current);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  open = dialog;
  document.body.append(dialog);
  dialog.showModal();
  body.tabIndex = -1;
  body.focus();
  show();
  return dialog;
}
