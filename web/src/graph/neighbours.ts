/** The edges into and out of a node, strongest first. */

import type { Graph } from "./graph.ts";
import { safeDivide, type Mask } from "./influence.ts";
import type { Prepared } from "./prepared_graph.ts";

export interface Neighbour {
  readonly node: number;
  readonly edge: number;
  readonly weight: number;
  /** Share of all that the receiving node reads, by absolute weight. */
  readonly share: number;
}

/** Edges that are not listed; `weight` is the sum of their absolute weights. */
export interface Rest {
  readonly count: number;
  readonly weight: number;
}

export interface Neighbours {
  readonly edges: Neighbour[];
  /** Weaker edges that are shown but not listed. */
  readonly rest: Rest;
  /** Edges outside the mask. */
  readonly hidden: Rest;
}

/** The `count` strongest edges into a node. */
export function inputsOf(prepared: Prepared, node: number, count = 20, mask?: Mask): Neighbours {
  const { offset, source } = prepared.graph;
  const edges = range(offset[node], offset[node + 1]);
  return choose(prepared, edges, count, mask, (edge) => [source[edge], node]);
}

/** The `count` strongest edges out of a node. */
export function outputsOf(prepared: Prepared, node: number, count = 20, mask?: Mask): Neighbours {
  const { outOffset, outTarget, outEdge }: Graph = prepared.graph;
  const begin = outOffset[node];
  const edges = Array.from(outEdge.subarray(begin, outOffset[node + 1]));
  const target = new Map(edges.map((edge, index) => [edge, outTarget[begin + index]]));
  return choose(prepared, edges, count, mask, (edge) => [target.get(edge)!, target.get(edge)!]);
}

const range = (begin: number, end: number): number[] =>
  Array.from({ length: end - begin }, (_, index) => begin + index);

/** `ends` gives an edge's neighbour, and the node that receives it. */
function choose(
  { graph, flow }: Prepared,
  edges: number[],
  count: number,
  mask: Mask | undefined,
  ends: (edge: number) => [neighbour: number, target: number],
): Neighbours {
  const size = (edge: number) => Math.abs(graph.weight[edge]);
  const isShown = (edge: number) =>
    !mask || (mask.node[ends(edge)[0]] === 1 && (mask.edge === null || mask.edge[edge] === 1));
  const shown = edges.filter(isShown).sort((left, right) => size(right) - size(left));
  const sum = (some: number[]): Rest => ({
    count: some.length,
    weight: some.reduce((total, edge) => total + size(edge), 0),
  });
  return {
    edges: shown.slice(0, count).map((edge) => {
      const [node, target] = ends(edge);
      const share = safeDivide(size(edge), flow.rowTotal[target]);
      return { node, edge, weight: graph.weight[edge], share };
    }),
    rest: sum(shown.slice(count)),
    hidden: sum(edges.filter((edge) => !isShown(edge))),
  };
}
