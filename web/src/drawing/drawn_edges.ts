/** The edges that are drawn: the strongest of all, and those of the selection. */

import type { Graph } from "../graph/graph.ts";
import { makeHeap } from "../graph/heap.ts";
import type { Prepared } from "../graph/prepared_graph.ts";

/** Edges drawn while nothing is selected. */
const MOST_AT_REST = 350;
const MOST_OF_SELECTION = 160;

interface Candidate {
  carried: number;
  edge: number;
  target: number;
}

/** The shown edges that carry most influence, the strongest last. */
export function strongestEdges(
  { graph, flow }: Prepared,
  keepNode: Uint8Array,
  keepEdge: Uint8Array,
  count = MOST_AT_REST,
): { edges: Int32Array; targets: Int32Array } {
  const weakestFirst = makeHeap<Candidate>((one, other) => one.carried < other.carried);
  let [size, least] = [0, 0];
  for (let target = 0; target < graph.nNodes; target++) {
    if (!keepNode[target]) continue;
    const each = flow.perWeight[target];
    for (let edge = graph.offset[target]; edge < graph.offset[target + 1]; edge++) {
      const carried = Math.abs(graph.weight[edge]) * each;
      if (!keepEdge[edge] || (size === count && carried <= least)) continue;
      weakestFirst.push({ carried, edge, target });
      if (size < count) size++;
      else least = weakestFirst.pop()!.carried;
    }
  }
  const strongest = Array.from({ length: size }, () => weakestFirst.pop()!);
  return {
    edges: Int32Array.from(strongest, ({ edge }) => edge),
    targets: Int32Array.from(strongest, ({ target }) => target),
  };
}

export interface SelectionEdge {
  edge: number;
  target: number;
  /** Absolute weight, as a share of the selection's strongest edge. */
  share: number;
}

/** Edges into and out of some nodes, the strongest first. */
export function edgesOf(
  graph: Graph,
  nodes: readonly number[],
  keepNode: Uint8Array,
  keepEdge: Uint8Array,
): SelectionEdge[] {
  const edges: { edge: number; target: number; size: number }[] = [];
  const add = (edge: number, target: number) => {
    if (keepEdge[edge] && keepNode[target] && keepNode[graph.source[edge]])
      edges.push({ edge, target, size: Math.abs(graph.weight[edge]) });
  };
  for (const node of nodes) {
    for (let edge = graph.offset[node]; edge < graph.offset[node + 1]; edge++) add(edge, node);
    for (let place = graph.outOffset[node]; place < graph.outOffset[node + 1]; place++)
      add(graph.outEdge[place], graph.outTarget[place]);
  }
  edges.sort((one, other) => other.size - one.size);
  const most = edges[0]?.size || 1;
  return edges
    .slice(0, MOST_OF_SELECTION)
    .map(({ edge, target, size }) => ({ edge, target, share: size / most }));
}

/** The edges of one path, all drawn at full strength. */
export function edgesAlong(graph: Graph, path: readonly number[]): SelectionEdge[] {
  return path.slice(1).flatMap((target, place) => {
    const source = path[place];
    for (let edge = graph.offset[target]; edge < graph.offset[target + 1]; edge++)
      if (graph.source[edge] === source) return [{ edge, target, share: 1 }];
    return [];
  });
}
