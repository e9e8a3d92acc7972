// Numbers as the report shows them: four significant digits, percent with two decimals, a true minus sign.

const minus = (text) => text.replace(/^-/, "\u2212");

export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "none";
  if (!Number.isFinite(value)) return value > 0 ? "infinite" : "\u2212infinite";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e6) return minus(String(Number(value.toPrecision(4))));
  return minus(value.toExponential(3).replace("e+", "e"));
}

export const percent = (value) => (value === null || value === undefined ? "none" : minus((100 * value).toFixed(2)) + "\u202f%");

export const count = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

export const show = (value, unit) => (unit === "share" ? percent(value) : unit && value !== null ? number(value) + "\u202f" + unit : number(value));

export function quantile(sorted, q) {
  if (sorted.length === 0) return null;
  const at = (sorted.length - 1) * q, low = Math.floor(at), high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

/* The frame of a chart: all values, or, when a few (5 % at most) would flatten all others, six robust deviations (1.4826 MAD)
   about the median. */
export function limits(values) {
  const sorted = sortedFinite(values);
  if (sorted.length === 0) return [0, 1];
  const low = sorted[0], high = sorted.at(-1), median = quantile(sorted, 0.5);
  const reach = 6 * 1.4826 * quantile(sortedFinite(sorted.map((v) => Math.abs(v - median))), 0.5);
  const inner = [Math.max(low, median - reach), Math.min(high, median + reach)];
  const flattens = reach > 0 && high - low > 2 * (inner[1] - inner[0]);
  const beyond = sorted.filter((v) => v < inner[0] || v > inner[1]).length;
  return flattens && beyond <= 0.05 * sorted.length ? inner : [low, high];
}

export const sortedFinite = (values) => values.filter((v) => v !== null && Number.isFinite(v)).sort((a, b) => a - b);

/* At most `most` of the whole numbers in a sorted list, evenly spread from the first on. */
export function some(list, most) {
  const step = [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256].find((s) => list.length / s <= most) ?? Math.ceil(list.length / most);
  return list.filter((_, k) => k % step === 0);
}

export function plural(n, one, many = one + "s") {
  return `${count(n)} ${n === 1 ? one : many}`;
}
