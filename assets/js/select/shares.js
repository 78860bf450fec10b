// Shares that always add up to a hundred, as values. Pure.

/** Whole percents of the parts, in proportion, that add up to `sum`; ties to the earlier part. All zero: split evenly. */
export function apportion(parts, sum = 100) {
  const whole = parts.reduce((a, b) => a + b, 0);
  const exact = parts.map((part) => (whole > 0 ? (part / whole) * sum : sum / parts.length));
  const floors = exact.map(Math.floor);
  let left = Math.round(sum - floors.reduce((a, b) => a + b, 0));
  const order = exact.map((value, i) => [value - floors[i], i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  for (const [, i] of order) { if (left <= 0) break; floors[i] += 1; left -= 1; }
  return floors;
}

/** The shares {name: percent} after one is set: the others give or take in proportion, and all add up to 100. */
export function withShare(shares, name, percent) {
  const set = Math.max(0, Math.min(100, Math.round(percent)));
  const others = Object.keys(shares).filter((one) => one !== name);
  const rest = apportion(others.map((one) => shares[one]), 100 - set);
  return { ...shares, [name]: set, ...Object.fromEntries(others.map((one, i) => [one, rest[i]])) };
}
