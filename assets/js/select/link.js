// Cuts as a short text for an address, and back. Pure. Only characters that an address carries as they are.
//   q.each.s0.3_a.each.s0.3      the best 30 % of each type by question score, of these the best 30 % by answer score
//   q.detail.v-1.25              of detail: question scores of −1.25 and more          s share · v score · n number of records · r drawn by chance · p all pass
//   q.all.n5000_a.all.p_image.2  together: the 5,000 best questions, whatever the answer; at most 2 records an image
//   cluster.3 · diverse.kcenter.s0.5 · seed.7 · questionkey.<digest>
import { ALL, groupsOf, STAGES, TYPES } from "./cube.js";
import { same } from "./spec.js";

const EACH = "each";
const LETTERS = { share: "s", value: "v", count: "n", random: "r", pass: "p" };
const MODES = Object.fromEntries(Object.entries(LETTERS).map(([mode, letter]) => [letter, mode]));
const NUMBER = /^-?(0|[1-9]\d{0,9})(\.\d{1,20})?(e-\d{1,2})?$/;
const LONGEST = 600;

/** A selection as text. Scorer keys are told only where the person chose them. */
export function cutsText(spec) {
  const parts = [];
  for (const stage of STAGES) {
    const groups = groupsOf(spec), cuts = spec[stage];
    if (spec.per_type && groups.every((group) => same(cuts[group], cuts[groups[0]]))) parts.push(`${stage[0]}.${EACH}.${cutText(cuts[groups[0]])}`);
    else for (const group of groups) parts.push(`${stage[0]}.${group}.${cutText(cuts[group])}`);
  }
  if ((spec.per_image ?? null) !== null) parts.push(`image.${spec.per_image}`);
  if ((spec.per_cluster ?? null) !== null) parts.push(`cluster.${spec.per_cluster}`);
  if (spec.diverse) parts.push(`diverse.${spec.diverse.method}.${cutText(spec.diverse)}`);
  if (spec.seed) parts.push(`seed.${spec.seed}`);
  for (const stage of STAGES) if (spec[`${stage}_key`]) parts.push(`${stage}key.${spec[`${stage}_key`]}`);
  return parts.join("_");
}

const numberText = (value) => String(value).replace("e+", "e");
const cutText = ({ mode, amount }) => (mode === "pass" ? LETTERS.pass : `${LETTERS[mode]}${numberText(amount)}`);

/** Read such a text; what it doesn't name is taken from `base`. → {spec} or {problem, hint}. */
export function readCuts(text, base) {
  try {
    return { spec: parsed(text, base) };
  } catch (wrong) {
    if (!wrong.part && wrong.part !== "") throw wrong;
    return { problem: `The cuts of this link can't be read: ${wrong.message}`, hint: "The stored cuts are shown. Ask for the link again, or set the cuts by hand." };
  }
}

function refuse(message, part) {
  throw Object.assign(new Error(message), { part });
}
const shown = (part) => `“${part.slice(0, 40)}”`;

function parsed(text, base) {
  if (text.length > LONGEST) refuse("it is too long.", "");
  const cuts = { question: {}, answer: {} }, rest = { per_image: null, per_cluster: null, diverse: null, seed: 0, question_key: null, answer_key: null };
  const once = new Set();
  for (const part of text.split("_")) {
    const [name, ...words] = part.split(".");
    const value = words.join(".");
    const stage = { q: "question", a: "answer" }[name];
    const key = stage ? `${name}.${words[0]}` : name;
    if (once.has(key)) refuse(`${shown(part)} stands there twice.`, part);
    once.add(key);
    if (stage) for (const group of words[0] === EACH ? TYPES : [words[0]]) {
      if (group !== ALL && !TYPES.includes(group)) refuse(`${shown(part)} names no instruction type.`, part);
      if (cuts[stage][group]) refuse(`${shown(part)} says a cut twice.`, part);
      cuts[stage][group] = readCut(words.slice(1).join("."), part);
    } else if (name === "image") rest.per_image = whole(value, part, 1);
    else if (name === "cluster") rest.per_cluster = whole(value, part, 1);
    else if (name === "seed") rest.seed = whole(value, part, 0);
    else if (name === "diverse") rest.diverse = diverse(words, part);
    else if (["questionkey", "answerkey"].includes(name) && /^[0-9a-f]{6,64}$/.test(value)) rest[`${name.slice(0, -3)}_key`] = value;
    else refuse(`${shown(part)} is no cut.`, part);
  }
  const named = new Set([...Object.keys(cuts.question), ...Object.keys(cuts.answer)]);
  const perType = !named.has(ALL);
  const groups = perType ? TYPES : [ALL];
  for (const stage of STAGES) if (!same(Object.keys(cuts[stage]).sort(), [...groups].sort())) refuse(`the ${stage} cuts are not for ${perType ? "all three types" : "all types together"}.`, "");
  const ordered = (stage) => Object.fromEntries(groups.map((group) => [group, cuts[stage][group]]));
  return { ...base, ...rest, per_type: perType, question: ordered("question"), answer: ordered("answer") };
}

function readCut(text, part) {
  const mode = MODES[text[0]], rest = text.slice(1);
  if (mode === "pass" && !rest) return { mode, amount: 1 };
  if (!mode || mode === "pass" || !NUMBER.test(rest)) refuse(`${shown(part)} is no cut.`, part);
  const amount = Number(rest);
  if (mode === "share" && (amount < 0 || amount > 1)) refuse(`${shown(part)}: a share lies between 0 and 1.`, part);
  if (["count", "random"].includes(mode) && (amount < 0 || !Number.isInteger(amount))) refuse(`${shown(part)} is no number of records.`, part);
  return { mode, amount };
}

function whole(text, part, least) {
  if (!/^\d{1,10}$/.test(text) || Number(text) < least || Number(text) > 1e9) refuse(`${shown(part)} is no whole number of ${least} or more.`, part);
  return Number(text);
}

function diverse([method, ...rest], part) {
  const { mode, amount } = readCut(rest.join("."), part);
  if (!["kcenter", "facility"].includes(method) || !["share", "count"].includes(mode)) refuse(`${shown(part)} is no choice for variety.`, part);
  return { method, mode, amount };
}
