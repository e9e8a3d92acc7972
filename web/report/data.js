// The run's numbers, as written by the program into the page: one entry a matrix, columns side by side.
//
//   matrices   {layer: [], expert: [], projs: [], proj: []}       expert -1: a shared expert; proj: index into projs
//   metrics    [{key, label, help, signed, pinned, values: []}]     null where there is none
//   schemes    [{name, bpw, values: []}]                            relative Frobenius error, smallest scheme first
//   deltas     [{name, a, b, values: []}]                           error of a minus error of b
import {sortedFinite, quantile} from "./format.js";

export const data = JSON.parse(document.getElementById("run").textContent);
data.matrices.proj = data.matrices.proj.map((k) => data.matrices.projs[k]);

export const projections = data.matrices.projs; // gate, up, down, then others

export const indexes = Array.from(data.matrices.layer, (_, i) => i);

/* Name of a matrix for people. */
export function label(i) {
  const m = data.matrices;
  const where = m.layer[i] < 0 ? "no layer" : `layer ${m.layer[i]}`;
  return `${where}, ${m.expert[i] < 0 ? "shared expert" : `expert ${m.expert[i]}`}, ${m.proj[i]}`;
}

const grids = new Map();

/* The matrices of a projection as a grid: rows are layers, columns experts, the shared one last. */
export function grid(proj) {
  if (!grids.has(proj)) grids.set(proj, makeGrid(proj));
  return grids.get(proj);
}

function makeGrid(proj) {
  const m = data.matrices;
  const members = indexes.filter((i) => m.proj[i] === proj);
  const layers = [...new Set(members.map((i) => m.layer[i]))].sort((a, b) => a - b);
  const routed = members.map((i) => m.expert[i]).filter((e) => e >= 0);
  const nRouted = routed.reduce((most, e) => Math.max(most, e + 1), 0);
  const hasShared = members.some((i) => m.expert[i] < 0);
  const row = new Map(layers.map((layer, k) => [layer, k]));
  const columns = nRouted + (hasShared ? 1 : 0);
  const cells = new Map();
  for (const i of members) {
    const key = row.get(m.layer[i]) * columns + (m.expert[i] < 0 ? nRouted : m.expert[i]);
    if (!cells.has(key)) cells.set(key, i);
  }
  return {proj, members, layers, nRouted, hasShared, columns, cells};
}

/* Indexes whose value lies more than `limit` robust deviations (1.4826 MAD) from the median of the group. */
export function outliers(values, members, limit = 4) {
  const sorted = sortedFinite(members.map((i) => values[i]));
  if (sorted.length < 8) return [];
  const median = quantile(sorted, 0.5);
  const deviation = 1.4826 * quantile(sortedFinite(sorted.map((v) => Math.abs(v - median))), 0.5);
  if (!(deviation > 0)) return [];
  return members.filter((i) => values[i] !== null && Math.abs(values[i] - median) > limit * deviation);
}
