// "Why this score": beside each score of the large view a button that lets the scorer tell which words and which cells of the picture move it.
import { api } from "./api.js";
import { el, fill, icon } from "./dom.js";
import { amount, heat, markedText, signed, walkWords } from "./explain-marks.js";
import * as fmt from "./format.js";
import { jobRow, problem } from "./parts.js";
import { param } from "./state.js";

const ASK_AGAIN_MS = 350;
const HARDLY = 0.1;
const HEATS = [
  ["own", "Own scale", "The strongest cell gets the strongest colour"],
  ["words", "Words' scale", "The same colours as the words, so that both compare"],
  ["off", "Off", "The photo as it is (H)"],
];

/**
 * Put the scores of a record beside its question set and answers, each with its button. `left` holds the photo, `right` the conversation;
 * `plain(text)` draws the parts of a question between the words. Gives {toggleHeat, close}.
 */
export function scoresWithWhy(record, { left, right, plain }) {
  let open = null;
  let gone = false;
  const ask = (score, button) => {
    const again = open?.score === score;
    open?.close();
    open = again ? null : new Why(record, score, button, { left, right, plain, closed: () => (open = null) });
  };
  api.get("/api/explain", { record: record.id, question_key: param("question_key"), answer_key: param("answer_key") }).then(
    (scores) => {
      if (!gone) for (const score of scores) slotOf(record, score, right)?.append(...scoreAndWhy(record, score, ask));
    },
    (error) => {
      if (!gone) right.prepend(problem(error));
    },
  );
  return {
    toggleHeat: () => open?.toggleHeat(),
    close: () => {
      gone = true;
      open?.close();
    },
  };
}

/** The line a score belongs on: the label of its answer or question; a row of its own for the questions of several turns. */
function slotOf(record, score, right) {
  if (score.kind === "answer") return right.querySelector(`[data-label="answer-${score.turn}-${score.candidate}"]`);
  if (record.conversation.length === 1) return right.querySelector('[data-label="question-0"]');
  const row = el("div", { class: "turn-label ex-set" }, `All ${fmt.int(record.conversation.length)} questions`);
  right.prepend(row);
  return row;
}

const nameOf = (record, score) =>
  score.kind === "question"
    ? record.conversation.length > 1 ? `all ${fmt.int(record.conversation.length)} questions` : "the question"
    : [record.conversation.length > 1 ? `turn ${score.turn + 1}` : "", `answer ${score.candidate + 1}`].filter(Boolean).join(", ");

function scoreAndWhy(record, score, ask) {
  if (score.value === null) return [el("span", { class: "chip warn", title: score.reason, text: "no score" })];
  const button = el("button", {
    class: "btn small plain ex-why",
    "aria-expanded": "false",
    "aria-label": `Why this score? ${nameOf(record, score)}`,
    title: "Which words and which parts of the picture move it",
    text: "Why this score?",
    on: { click: () => ask(score, button) },
  });
  return [el("span", { class: "chip num", title: score.label, text: `score ${fmt.number(score.value, 3)}` }), button];
}

/** One open explanation: starts the job, follows it, draws what it found over text and photo, and takes it all away again. */
class Why {
  constructor(record, score, button, { left, right, plain, closed }) {
    Object.assign(this, { record, score, button, left, right, plain, closed, job: null, undo: [], gone: false, scale: "own" });
    this.body = el("div", { class: "stack tight" }, el("div", { class: "skeleton ex-waiting" }));
    this.panel = el(
      "section",
      { class: "ex-panel", "aria-label": `Why this score: ${nameOf(record, score)}` },
      el(
        "div",
        { class: "row apart nowrap" },
        el("h3", { class: "clip" }, "Why this score? ", el("span", { class: "quiet", text: `${nameOf(record, score)}, ${fmt.number(score.value, 3)}` })),
        el("button", { class: "icon-btn", "aria-label": "Close the explanation", title: "Close the explanation", on: { click: () => { this.close(); button.focus(); } } }, icon("close")),
      ),
      this.body,
    );
    button.setAttribute("aria-expanded", "true");
    right.prepend(this.panel);
    this.reveal();
    this.run();
  }

  /** Bring the score's line into sight below the panel, which stays at the top. */
  reveal() {
    const line = this.button.getBoundingClientRect();
    const top = this.panel.getBoundingClientRect().bottom + 12;
    if (line.top < top || line.bottom > this.right.getBoundingClientRect().bottom - 60) this.right.scrollTop += line.top - top;
  }

  async run() {
    const { record, score } = this;
    try {
      this.job = await api.post("/api/explain", { record: record.id, kind: score.kind, turn: score.turn, candidate: score.candidate, key: score.key });
      if (this.gone) return this.stopJob();
      const row = jobRow(this.job, { title: "Taking the score apart" });
      if (this.job.active) fill(this.body, row.node);
      let told;
      while ((told = await api.get(`/api/explain/${this.job.id}`)).job.active) {
        if (this.gone) return;
        row.update((this.job = told.job));
        await new Promise((go) => setTimeout(go, ASK_AGAIN_MS));
      }
      this.job = told.job;
      if (this.gone) return;
      if (told.explanation) this.draw(told.explanation);
      else if (told.job.state === "failed") fill(this.body, problem({ message: told.job.error, hint: told.job.hint }));
      else fill(this.body, el("p", { class: "quiet", text: "Stopped. Nothing was drawn." }));
    } catch (error) {
      if (!this.gone) fill(this.body, problem(error));
    }
  }

  /** Nobody waits for it any more. A finished explanation is kept and comes back at once. */
  stopJob() {
    if (this.job?.active) api.post(`/api/jobs/${this.job.id}/cancel`).catch(() => {});
  }

  close() {
    if (this.gone) return;
    this.gone = true;
    this.stopJob();
    this.undo.forEach((f) => f());
    this.panel.remove();
    this.button.setAttribute("aria-expanded", "false");
    this.closed();
  }

  draw(found) {
    if (found.value === null) return fill(this.body, el("p", { class: "warn-text", text: `There is no number to explain: ${found.reason}.` }));
    this.found = found;
    this.readout = el("p", { class: "ex-readout small-text quiet", "aria-live": "polite", text: this.ground() });
    this.legend = el("div", { class: "stack tight" });
    const say = (line) => (this.readout.textContent = line);
    this.drawWords(say);
    this.drawCells(say);
    fill(this.body, el("p", { class: "ex-sentence", text: sentence(found) }), this.legend, this.readout, this.largest());
    this.drawLegend();
    if (found.cells) this.setHeat("own");
    this.reveal();
  }

  drawWords(say) {
    const { found, right, score } = this;
    const marks = [];
    const texts = new Map();
    for (const word of found.words) {
      const name = word.part === "question" ? `question-${word.turn}` : `answer-${word.turn}-${score.candidate}`;
      texts.set(name, [...(texts.get(name) ?? []), word]);
    }
    for (const [name, words] of texts) {
      const node = right.querySelector(`[data-text="${name}"]`);
      if (!node) continue; // beyond the turns that the view shows
      const { question, answers } = this.record.conversation[words[0].turn];
      const own = words[0].part === "question";
      const [nodes, some] = markedText(own ? question : answers[score.candidate], words, {
        scale: found.spread.word, noise: found.noise, say, plain: own ? this.plain : (text) => text });
      const before = [...node.childNodes];
      this.undo.push(() => fill(node, before));
      fill(node, nodes);
      marks.push(...some);
    }
    walkWords(marks);
  }

  /** Cells over the photo, also after another picture of the record was looked at in between. */
  drawCells(say) {
    const { found, left } = this;
    if (!found.cells) return;
    const main = left.querySelector(".viewer-image");
    const look = () => {
      const tile = main.querySelector(".photo");
      if (this.layer?.tile === tile) return;
      this.layer?.stop();
      this.layer = null;
      if (!tile?.querySelector("img")?.src.endsWith(`/${found.image}`)) return;
      this.layer = { tile, ...heat(tile, found.cells, found.noise, say) };
      this.showHeat();
    };
    const watching = new MutationObserver(look);
    watching.observe(main, { childList: true });
    this.undo.push(() => { watching.disconnect(); this.layer?.stop(); });
    look();
  }

  setHeat(scale) {
    this.scale = scale;
    this.showHeat();
    this.drawLegend();
  }

  showHeat() {
    const { spread } = this.found;
    this.layer?.show({ own: spread.cell, words: spread.word, off: null }[this.scale]);
  }

  toggleHeat() {
    if (this.found?.cells) this.setHeat(this.scale === "off" ? "own" : "off");
  }

  drawLegend() {
    const { found, scale } = this;
    const { spread, cells } = found;
    const heats = cells && el("div", { class: "seg ex-seg", role: "group", "aria-label": "Colours over the photo" },
      HEATS.map(([name, text, title]) => el("button", { "aria-pressed": String(name === scale), title, data: { heat: name }, text, on: { click: () => this.setHeat(name) } })));
    const focused = this.legend.contains(document.activeElement) ? document.activeElement.dataset.heat : null;
    fill(this.legend,
      el("div", { class: "row ex-legend" }, el("span", { class: "ex-what", text: "Words" }), ramp(spread.word, "ex-word")),
      cells ? el("div", { class: "row ex-legend" }, el("span", { class: "ex-what", text: "Picture" }), ramp(scale === "words" ? spread.word : spread.cell, "ex-cell"), heats) : null);
    if (focused) this.legend.querySelector(`[data-heat="${focused}"]`)?.focus();
  }

  /** The words of a span, as imported. */
  textOf(word) {
    const turn = this.record.conversation[word.turn];
    return Array.from(word.part === "question" ? turn.question : turn.answers[this.score.candidate]).slice(word.start, word.end).join("");
  }

  ground() {
    const { words, cells } = this.found;
    const single = words.every((word) => !/\s/.test(this.textOf(word)));
    const some = single ? fmt.plural(words.length, "word") : `${fmt.plural(words.length, "stretch", "stretches")} of a few words`;
    return `${some}${cells ? ` and ${fmt.plural(cells.rows * cells.columns, "cell")}` : ""}, each left out once. Point at one, or use Tab and the arrow keys.`;
  }

  /** The strongest effects as a table: what colours show, in numbers. */
  largest() {
    const { found, record } = this;
    const several = record.conversation.length > 1;
    const rows = [
      ...found.words.map((word) => [`“${this.textOf(word)}”`, word.part === "question" && several ? `question ${word.turn + 1}` : word.part, word.effect]),
      ...(found.cells?.effects ?? []).flatMap((row, r) => row.map((effect, c) => [`row ${r + 1}, column ${c + 1}`, "picture", effect])),
    ].filter((row) => row[2] !== null).sort((a, b) => Math.abs(b[2]) - Math.abs(a[2]));
    const direction = (effect) => (Math.abs(effect) <= found.noise ? "within the noise" : effect < 0 ? "lowers" : "raises");
    const { spread, counters, cells } = found;
    const facts = [
      spread.picture_share === null ? "" : `Of all movement ${fmt.share(spread.picture_share, 1)} comes from the picture's ${fmt.plural(cells.rows * cells.columns, "cell")}, the rest from the words.`,
      cells ? `One step of 255 in brightness, which nobody sees, or the same text once more moves this score by up to ${amount(found.noise)}: effects below that have no colour.`
        : `The same text once more came out ${amount(found.noise)} apart: effects below that have no colour.`,
      found.words_left_out ? `${fmt.plural(found.words_left_out, "word")} at the end were not tried.` : "",
      `${found.scorer}, ${found.precision}${found.quantization === "none" ? "" : ` ${found.quantization}`}: ${fmt.int(counters.texts)} texts in ` +
        `${fmt.plural(counters.forwards, "forward")}, ${found.seconds.toFixed(1)} s; ${fmt.int(counters.prefix_tokens_saved)} positions of the picture were reused.`,
    ].filter(Boolean);
    return el("details", { class: "ex-largest" }, el("summary", { class: "small-text", text: "Largest effects and how they were measured" }),
      el("table", { class: "table" }, el("tbody", {}, rows.slice(0, 10).map(([what, where, effect]) =>
        el("tr", {}, el("td", { class: "record-text", text: what }), el("td", { class: "small-text quiet", text: where }),
          el("td", { class: "n strong", text: signed(effect) }), el("td", { class: "small-text quiet", text: direction(effect) }))))),
      facts.map((line) => el("p", { class: "small-text quiet", text: line })));
  }
}

/** What lowers on the left, what raises on the right, with the numbers at the ends. */
function ramp(scale, kind) {
  const step = (sign, strength) => el("i", { class: `${kind} ${sign}`, style: { "--strength": strength }, text: kind === "ex-word" ? "a" : "" });
  return el("span", { class: "ex-ramp num", role: "img", "aria-label": `From ${signed(-(scale ?? 0))}, lowers, to ${signed(scale ?? 0)}, raises` },
    el("span", { text: `lowers ${signed(-(scale ?? 0))}` }), [1, 0.6, 0.25].map((s) => step("lowers", s)), el("i", { class: `${kind} ex-none`, text: kind === "ex-word" ? "a" : "" }),
    [0.25, 0.6, 1].map((s) => step("raises", s)), el("span", { text: `${signed(scale ?? 0)} raises` }));
}

/** The finding in plain words. */
export function sentence({ spread, cells }) {
  const words = spread.word === null ? "There is no word that can be left out." : `The words move this score by up to ${amount(spread.word)}`;
  if (!cells) return spread.word === null ? words : `${words}. This record has no picture.`;
  const picture = `the picture by up to ${amount(spread.cell)} a cell and by ${amount(spread.picture)} as a whole.`;
  if (spread.word === null) return `${words} ${picture[0].toUpperCase()}${picture.slice(1)}`;
  const most = Math.max(spread.cell ?? 0, spread.picture ?? 0);
  const verdict = most < HARDLY * spread.word ? " This scorer hardly looks at the picture." : spread.word < HARDLY * most ? " This scorer hardly reads the words." : "";
  return `${words}, ${picture}${verdict}`;
}
