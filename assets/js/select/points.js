// The points of the map as the server sends them, and outlines drawn over them, as values. Pure.

const BYTES = 28;
const MOST_CORNERS = 400; // the server takes 500

/** Read /api/map/points: {n, x, y, id, question, answer, type, kept, cluster}, typed arrays of length n. NaN: no score; cluster −1: none. */
export function readPoints(buffer) {
  const n = buffer.byteLength / BYTES;
  if (!Number.isInteger(n)) throw new Error("The points of the map are cut off.");
  return {
    n, x: new Float32Array(buffer, 0, n), y: new Float32Array(buffer, 4 * n, n), id: new Float64Array(buffer, 8 * n, n), question: new Float32Array(buffer, 16 * n, n), answer: new Float32Array(buffer, 20 * n, n),
    type: new Uint8Array(buffer, 24 * n, n), kept: new Uint8Array(buffer, 25 * n, n), cluster: new Int16Array(buffer, 26 * n, n),
  };
}

/** Corners of a drawn outline as a filter takes them: at most 400, rounded; null for fewer than three. */
export function outlineOf(corners) {
  const step = Math.max(1, Math.ceil(corners.length / MOST_CORNERS));
  const kept = corners.filter((_, i) => i % step === 0).map((corner) => corner.map((value) => Number(value.toFixed(4))));
  return kept.length >= 3 ? kept : null;
}

/** Numbers (n,) in `steps` classes between the 2nd and the 98th of a hundred: {classes: [[places], …], none: [places], low, high}. */
export function classed(values, steps) {
  const known = [], none = [];
  for (let i = 0; i < values.length; i++) (Number.isNaN(values[i]) ? none : known).push(i);
  const sorted = known.map((i) => values[i]).sort((a, b) => a - b), at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const low = sorted.length ? at(0.02) : 0, high = sorted.length ? at(0.98) : 0, classes = Array.from({ length: steps }, () => []);
  for (const i of known) classes[high > low ? Math.max(0, Math.min(steps - 1, Math.floor(((values[i] - low) / (high - low)) * steps))) : steps - 1].push(i);
  return { classes, none, low, high };
}

/** Places of the points by category: {code: [places]}; code(i) of each point. */
export function grouped(n, code) {
  const found = new Map();
  for (let i = 0; i < n; i++) {
    const key = code(i);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(i);
  }
  return found;
}

/** Middle of the points of each cluster, by median so that strays don't pull: Map code → [x, y, n]. */
export function centres(points) {
  const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  const found = new Map();
  for (const [code, places] of grouped(points.n, (i) => points.cluster[i]))
    if (code >= 0) found.set(code, [middle(places.map((i) => points.x[i])), middle(places.map((i) => points.y[i])), places.length]);
  return found;
}
