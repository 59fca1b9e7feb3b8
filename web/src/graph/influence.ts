/** Influence: how much of the targets flows through each node, over all paths, in one exact pass. */

import { TARGET, type Graph } from "./graph.ts";

/** Influence and what it flows along; an edge carries `|weight| * perWeight[target]`. */
export interface Flow {
  /** Influence of each node on the weighted targets. */
  readonly influence: Float64Array;
  /** Sum of the absolute weights into each node. */
  readonly rowTotal: Float64Array;
  /** `(influence + target weight) / rowTotal`, zero for rows without input. */
  readonly perWeight: Float64Array;
}

/** A part of a graph: a byte for each node and edge; without `edge`, all edges between its nodes. */
export interface Mask {
  readonly node: Uint8Array;
  readonly edge: Uint8Array | null;
}

/** Weight of each node as an explained output: zero for all but targets. */
export function targetWeights(graph: Graph): Float64Array {
  return Float64Array.from(graph.kind, (kind, node) => (kind === TARGET ? graph.activation[node] : 0));
}

/**
 * Influence of every node on the weighted targets: `w (N + N^2 + ...)` with `N` the absolute edge weights,
 * each row divided by its sum. Edges only go up, so rows are taken from the top down (`order`): the influence of a
 * node is complete before its row needs it. With a `mask`, that part counts as a graph of its own.
 */
export function measureFlow(graph: Graph, order: Int32Array, targetWeight: Float64Array, mask?: Mask): Flow {
  const { offset, source, weight, nNodes } = graph;
  const influence = new Float64Array(nNodes);
  const rowTotal = new Float64Array(nNodes);
  const perWeight = new Float64Array(nNodes);
  const has = edgeTest(graph, mask);
  for (const target of order) {
    if (mask && !mask.node[target]) continue;
    const [begin, end] = [offset[target], offset[target + 1]];
    let total = 0;
    for (let edge = begin; edge < end; edge++) if (has(edge)) total += Math.abs(weight[edge]);
    rowTotal[target] = total;
    const each = safeDivide(influence[target] + targetWeight[target], total);
    perWeight[target] = each;
    if (each === 0) continue;
    for (let edge = begin; edge < end; edge++)
      if (has(edge)) influence[source[edge]] += Math.abs(weight[edge]) * each;
  }
  return { influence, rowTotal, perWeight };
}

/** A test for the edges of a part; it takes edges into nodes of the part only. */
function edgeTest(graph: Graph, mask: Mask | undefined): (edge: number) => boolean {
  if (!mask) return () => true;
  const { source } = graph;
  const { node, edge: inPart } = mask;
  return inPart
    ? (edge) => inPart[edge] === 1 && node[source[edge]] === 1
    : (edge) => node[source[edge]] === 1;
}

/** The share of the outputs that flows through a node, as the file has it: what the page calls its influence. */
export function outputShare({ influence, info }: Graph, node: number): number {
  const total = info.targets.reduce((sum, { weight }) => sum + weight, 0);
  return (influence[node] || 0) / (total || 1);
}

/** Indices of the values, the largest first; equal ones in their own order. */
export function strongestFirst(values: ArrayLike<number>): Uint32Array {
  return new Uint32Array(values.length)
    .map((_, index) => index)
    .sort((left, right) => values[right] - values[left] || left - right);
}

/** `value / by`, and zero where `by` is zero. */
export const safeDivide = (value: number, by: number): number => (by > 0 ? value / by : 0);
