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

export const sortedFinite = (values) => values.filter((v) => v !== null && Number.isFinite(v)).sort((a, b) => a - b);

export function plural(n, one, many = one + "s") {
  return `${count(n)} ${n === 1 ? one : many}`;
}
