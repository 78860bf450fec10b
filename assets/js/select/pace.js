// How long a move of the pointer takes until its counts are painted: the last few hundred of them, in milliseconds.

const KEPT = 600;
const frames = [];
let since = null;

/** A pointer moved. `at`: the event's own time, performance.now() by the same clock. The first move since the last paint counts. */
export function moved(at) {
  since ??= at;
}

/** The counts of that move stand in the page: call inside the frame that drew them. */
export function drawn() {
  if (since === null) return;
  const from = since;
  since = null;
  const { port1, port2 } = new MessageChannel(); // a task posted from a frame runs once that frame is painted
  port1.onmessage = () => {
    frames.push(performance.now() - from);
    if (frames.length > KEPT) frames.shift();
    port1.close();
  };
  port2.postMessage(null);
}

/** The last moves. n: how many; p50, p95, most in milliseconds, null before the first. `reset` starts anew. */
export function paceOf({ reset = false } = {}) {
  const sorted = [...frames].sort((a, b) => a - b);
  const at = (q) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] : null);
  const pace = { n: sorted.length, p50: at(0.5), p95: at(0.95), most: sorted.at(-1) ?? null, frames: [...frames] };
  if (reset) frames.length = 0;
  return pace;
}
