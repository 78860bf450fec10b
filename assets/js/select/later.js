// Work that may come a moment after the frame: charts that follow a drag. One piece at a time, and a rest after each, so that a pointer seldom waits and never for more than one of them.

const REST = 2, LONGEST_REST_MS = 60; // rest for so many times as long as the piece took
const waiting = new Map(); // key → {run, due, every}
const lastRun = new Map();
const channel = new MessageChannel();
let posted = false, timer = 0, restUntil = 0;

/** Run soon after the next paint. A later call with the same key takes its place; `every`: at most once in so many milliseconds. */
export function later(key, run, { every = 0 } = {}) {
  waiting.set(key, { run, due: (lastRun.get(key) ?? -Infinity) + every, every });
  wake();
}

/** Forget what waits under a key. */
export function never(key) {
  waiting.delete(key);
  lastRun.delete(key);
}

function wake() {
  if (posted || !waiting.size) return;
  clearTimeout(timer);
  const now = performance.now(), due = Math.max(restUntil, Math.min(...[...waiting.values()].map((piece) => piece.due)));
  if (due > now) { timer = setTimeout(wake, due - now); return; }
  posted = true;
  requestAnimationFrame(() => channel.port2.postMessage(null)); // a task posted from a frame runs once that frame is painted
}

channel.port1.onmessage = async () => {
  const started = performance.now();
  const [key, piece] = [...waiting].find(([, { due }]) => due <= started) ?? [];
  if (piece) {
    waiting.delete(key);
    try { await piece.run(); } catch (error) { console.error(error); }
    const ended = performance.now();
    if (piece.every) lastRun.set(key, ended);
    restUntil = ended + Math.min(LONGEST_REST_MS, REST * (ended - started));
  }
  posted = false;
  wake();
};
