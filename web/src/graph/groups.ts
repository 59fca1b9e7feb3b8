/** Edges between groups of nodes, summed: what the view of supernodes draws. */

import type { Graph } from "./graph.ts";
import type { Mask } from "./influence.ts";

/**
 * Sums for each pair of groups, the outside being one more group behind the others. The place of an edge
 * from group `from` to group `to` is `to * side + from`; `outside` is the number of the outside.
 */
export interface GroupEdges {
  readonly side: number;
  readonly outside: number;
  /** Weights with their signs: what a group adds to another, cancelling where its members disagree. */
  readonly signed: Float64Array;
  readonly absolute: Float64Array;
  readonly count: Int32Array;
}

/** `groupOf` tells each node's group from 0, or -1 for those outside. */
export function groupEdges(graph: Graph, groupOf: Int32Array, nGroups: number, mask?: Mask): GroupEdges {
  const side = nGroups + 1;
  const signed = new Float64Array(side * side);
  const absolute = new Float64Array(side * side);
  const count = new Int32Array(side * side);
  const group = groupOf.map((own) => (own < 0 ? nGroups : own));
  for (let target = 0; target < graph.nNodes; target++) {
    if (mask && mask.node[target] === 0) continue;
    const row = group[target] * side;
    for (let edge = graph.offset[target]; edge < graph.offset[target + 1]; edge++) {
      const source = graph.source[edge];
      if (mask && (mask.node[source] === 0 || (mask.edge !== null && mask.edge[edge] === 0))) continue;
      const place = row + group[source];
      signed[place] += graph.weight[edge];
      absolute[place] += Math.abs(graph.weight[edge]);
      count[place]++;
    }
  }
  return { side, outside: nGroups, signed, absolute, count };
}

/** The groups' numbers by node; of a node in several groups, the last. */
export function groupNumbers(nNodes: number, groups: Iterable<number>[]): Int32Array {
  const groupOf = new Int32Array(nNodes).fill(-1);
  groups.forEach((members, group) => {
    for (const node of members) groupOf[node] = group;
  });
  return groupOf;
}
