/** The same mathematics on plain matrices, slow and obvious, to hold the quick one to. */

import { ERROR, FEATURE, TARGET, TOKEN, type Graph } from "../../src/graph/graph.ts";

export type Matrix = number[][];

/** `matrix[target][source]`. */
export function denseWeights(graph: Graph): Matrix {
  const matrix = Array.from({ length: graph.nNodes }, () => new Array<number>(graph.nNodes).fill(0));
  for (let target = 0; target < graph.nNodes; target++)
    for (let edge = graph.offset[target]; edge < graph.offset[target + 1]; edge++)
      matrix[target][graph.source[edge]] = graph.weight[edge];
  return matrix;
}

export const denseShares = (weights: Matrix): Matrix =>
  weights.map((row) => {
    const total = row.reduce((sum, weight) => sum + Math.abs(weight), 0);
    return row.map((weight) => (total > 0 ? Math.abs(weight) / total : 0));
  });

export const weightOfTargets = (graph: Graph): number[] =>
  Array.from(graph.kind, (kind, node) => (kind === TARGET ? graph.activation[node] : 0));

/** `w (N + N^2 + ...)`, power by power until nothing is left. */
export function denseInfluence(shares: Matrix, start: number[]): number[] {
  const found = start.map(() => 0);
  let arriving = start;
  for (let step = 0; step < start.length && arriving.some((value) => value > 0); step++) {
    arriving = start.map((_, node) =>
      arriving.reduce((sum, value, target) => sum + value * shares[target][node], 0),
    );
    arriving.forEach((value, node) => (found[node] += value));
  }
  return found;
}

export function denseFlow(weights: Matrix, start: number[]): Matrix {
  const shares = denseShares(weights);
  const found = denseInfluence(shares, start);
  return shares.map((row, target) => row.map((share) => share * (found[target] + start[target])));
}

export function sortedCutoff(values: number[], threshold: number): number {
  const ordered = values.slice().sort((a, b) => b - a);
  if (threshold === 1) return ordered.filter((value) => value > 0).at(-1) ?? 0;
  const total = ordered.reduce((sum, value) => sum + value, 0);
  let sum = 0;
  return ordered.find((value) => (sum += value) >= threshold * total) ?? 0;
}

/** The published steps; a small allowance for values that rounding would set apart. */
export function densePrune(graph: Graph, nodeThreshold: number, edgeThreshold: number) {
  const start = weightOfTargets(graph);
  let weights = denseWeights(graph);
  const found = denseInfluence(denseShares(weights), start);
  const nodeCutoff = sortedCutoff(found, nodeThreshold) * (1 - 1e-12);
  const node = found.map((value, which) => value >= nodeCutoff || graph.kind[which] >= TOKEN);
  weights = weights.map((row, to) => row.map((weight, from) => (node[to] && node[from] ? weight : 0)));
  const flow = denseFlow(weights, start);
  const edgeCutoff = sortedCutoff(flow.flat(), edgeThreshold) * (1 - 1e-12);
  const edge = flow.map((row, to) =>
    row.map((value, from) => weights[to][from] !== 0 && value >= edgeCutoff),
  );
  for (let changed = true; changed;) {
    const gone = node.map(
      (kept, which) =>
        kept &&
        graph.kind[which] < TOKEN &&
        (!edge.some((row) => row[which]) || (graph.kind[which] === FEATURE && !edge[which].includes(true))),
    );
    changed = gone.includes(true);
    gone.forEach((goes, which) => {
      if (!goes) return;
      node[which] = false;
      edge[which].fill(false);
      edge.forEach((row) => (row[which] = false));
    });
  }
  return { node, edge };
}

/** Left-out input is gathered per row and place, then stands in the matrix as a node of its own. */
export function denseScores(graph: Graph, node: boolean[], edge: boolean[][] | null) {
  const weights = denseWeights(graph);
  const start = weightOfTargets(graph);
  const count = graph.nNodes;
  const extended = weights.map((row, target) => {
    const places = new Map<string, number>();
    const own = row.map((weight, source) => {
      if (!node[target]) return 0;
      const isError = graph.kind[source] === ERROR;
      if (node[source] && !isError && (edge === null || edge[target][source])) return weight;
      if (graph.leftOut && isError) return 0;
      const place = `${graph.layer[source]} ${graph.position[source]}`;
      places.set(place, (places.get(place) ?? 0) + weight);
      return 0;
    });
    let missing = node[target] && graph.leftOut ? graph.leftOut[target] : 0;
    places.forEach((net) => (missing += Math.abs(net)));
    return [...own, missing];
  });
  extended.push(new Array<number>(count + 1).fill(0));
  const found = denseInfluence(denseShares(extended), [...start, 0]);
  const token = found.filter((_, which) => which < count && graph.kind[which] === TOKEN);
  const tokens = token.reduce((sum, value) => sum + value, 0);
  const error = found[count];
  const everything =
    found.reduce((sum, value) => sum + value, 0) + start.reduce((sum, value) => sum + value, 0);
  return { replacement: tokens / (tokens + error), completeness: 1 - error / everything };
}
