// Numbers and times as people read them. Every count comes with what it is counted of.

const whole = new Intl.NumberFormat("en-GB");
export const int = (n) => (n === null || n === undefined ? "–" : whole.format(n));
export const ofN = (n, of) => `${int(n)} of ${int(of)}`;
/** Share as a percentage; one decimal under ten per cent. `–` where there is nothing to divide by. */
export function share(n, of) {
  if (!of) return "–";
  const value = (100 * n) / of;
  return `${value === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} %`;
}
export const plural = (n, one, many = `${one}s`) => `${int(n)} ${n === 1 ? one : many}`;
export function number(value, digits = 2) {
  return value === null || value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits).replace("-", "−");
}
export function bytes(n) {
  for (const [size, unit] of [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ])
    if (n >= size) return `${(n / size).toFixed(n >= 10 * size ? 0 : 1)} ${unit}`;
  return `${n} B`;
}
/** Seconds → "8 s", "3 min 10 s", "2 h 5 min". */
export function duration(s) {
  if (s === null || s === undefined) return "–";
  s = Math.max(0, Math.round(s));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60 ? `${s % 60} s` : ""}`.trim();
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
/** Unix seconds → "just now", "4 min ago", "21 Nov 14:05". */
export function when(at) {
  const ago = Date.now() / 1000 - at;
  if (ago < 45) return "just now";
  if (ago < 3600) return `${Math.max(1, Math.round(ago / 60))} min ago`;
  const date = new Date(at * 1000);
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return ago < 20 * 3600 && date.getDate() === new Date().getDate()
    ? `today ${time}`
    : `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${time}`;
}
/** Items a second → "34 /s", "2.1 /s", "12 /min". */
export function rate(perSecond) {
  if (!perSecond) return "";
  if (perSecond >= 10) return `${Math.round(perSecond)} /s`;
  return perSecond >= 1 ? `${perSecond.toFixed(1)} /s` : `${(perSecond * 60).toFixed(perSecond * 60 >= 10 ? 0 : 1)} /min`;
}
