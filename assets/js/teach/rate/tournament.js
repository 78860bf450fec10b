// A full order out of pairs, with as few questions as can be. Pure: the answers so far go in, the next pair or the order comes out.

/** Number of full orders of n things in which each thing i comes after all of before[i] (a bit mask). */
function orders(n, before) {
  const found = new Float64Array(1 << n);
  found[0] = 1;
  for (let mask = 0; mask < found.length; mask++) {
    if (!found[mask]) continue;
    for (let i = 0; i < n; i++) if (!(mask & (1 << i)) && (before[i] & mask) === before[i]) found[mask | (1 << i)] += found[mask];
  }
  return found[found.length - 1];
}

/** Groups of equal things (by their number in `places`), and which groups are known to stand before which. */
function known(places, answers) {
  const group = new Map(places.map((place) => [place, place]));
  const root = (place) => { while (group.get(place) !== place) place = group.get(place); return place; };
  for (const { a, b, said } of answers) if (said === "tie") group.set(root(b), root(a));
  const roots = [...new Set(places.map(root))];
  const at = new Map(roots.map((place, i) => [place, i]));
  const before = roots.map(() => 0);
  for (const { a, b, said } of answers) {
    if (said === "tie") continue;
    const [first, second] = said === "left" ? [a, b] : [b, a];
    before[at.get(root(second))] |= 1 << at.get(root(first));
  }
  for (let round = 0; round < roots.length; round++)
    for (let i = 0; i < roots.length; i++) for (let j = 0; j < roots.length; j++) if (before[i] & (1 << j)) before[i] |= before[j];
  return { roots, before, members: roots.map((one) => places.filter((place) => root(place) === one)) };
}

/**
 * What to ask next. places: numbers of the candidates; answers: [{a, b, said: "left" | "right" | "tie"}] ("left": a is better).
 * Gives {pair: [a, b], left} with the fewest questions still to come, or {order: groups, best first} when all is known.
 * The pair asked is the one whose answer splits the orders still possible most evenly.
 */
export function nextPair(places, answers) {
  const { roots, before, members } = known(places, answers);
  const total = orders(roots.length, before);
  if (total <= 1) {
    const rank = (i) => before[i].toString(2).split("1").length;
    return { order: members.map((group, i) => [rank(i), group]).sort((x, y) => x[0] - y[0]).map(([, group]) => group), left: 0 };
  }
  let best = null;
  for (let i = 0; i < roots.length; i++)
    for (let j = i + 1; j < roots.length; j++) {
      if (before[i] & (1 << j) || before[j] & (1 << i)) continue;
      const tried = before.map((mask, k) => (k === j ? mask | (1 << i) : mask));
      const uneven = Math.abs(orders(roots.length, tried) - total / 2);
      if (!best || uneven < best.uneven - 1e-9) best = { uneven, pair: [roots[i], roots[j]] };
    }
  return { pair: best.pair, left: Math.ceil(Math.log2(total)) };
}

/** Scores 0–1 of an order by groups, as the studio will store them: {place: score}. */
export function scoresOf(order) {
  const count = order.flat().length;
  const found = {};
  let before = 0;
  for (const group of order) {
    const rank = before + (group.length - 1) / 2;
    for (const place of group) found[place] = count > 1 ? 1 - rank / (count - 1) : 0.5;
    before += group.length;
  }
  return found;
}

/** The order that scores give, equal ones together; places without a score come last, together. */
export function orderOf(places, scores) {
  const groups = new Map();
  for (const place of places) {
    const score = scores[place] ?? -1;
    groups.set(score, [...(groups.get(score) ?? []), place]);
  }
  return [...groups.entries()].sort((x, y) => y[0] - x[0]).map(([, group]) => group);
}
