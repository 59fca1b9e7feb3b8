/** What flows between groups of nodes: the definition of `GroupEdge` in Python. */

import type { Prepared } from "./prepare.ts";

export interface GroupFlow {
  source: number;
  target: number;
  /** Share of all influence that the edges from one group to the other carry. */
  carried: number;
  /** The same with signs: positive where the source makes its targets more active than they are. */
  effect: number;
  /** Of all that flows into the target group from outside of it. */
  share: number;
}

/** Strongest first; `groupOf` tells each node's group from 0, or -1 for those outside. */
export function flowBetween(
  { graph, flow }: Prepared,
  groupOf: Int32Array,
  nGroups: number,
  mask?: { node: Uint8Array; edge: Uint8Array },
): GroupFlow[] {
  const side = nGroups + 1;
  const carried = new Float64Array(side * side);
  const effect = new Float64Array(side * side);
  const numbers = groupOf.map((own) => (own < 0 ? nGroups : own));
  const everything = flow.found.reduce((sum, value) => sum + value, 0) || 1;
  for (let target = 0; target < graph.nNodes; target++) {
    if (mask && !mask.node[target]) continue;
    const row = numbers[target] * side;
    const each = flow.perWeight[target] / everything;
    const turn = graph.activation[target] < 0 ? -each : each;
    for (let edge = graph.offset[target]; edge < graph.offset[target + 1]; edge++) {
      if (mask && !mask.edge[edge]) continue;
      const place = row + numbers[graph.source[edge]];
      carried[place] += Math.abs(graph.weight[edge]) * each;
      effect[place] += graph.weight[edge] * turn;
    }
  }
  return pairs(nGroups, side, carried, effect);
}

function pairs(nGroups: number, side: number, carried: Float64Array, effect: Float64Array): GroupFlow[] {
  const found: GroupFlow[] = [];
  for (let target = 0; target < nGroups; target++) {
    let inflow = 0;
    for (let source = 0; source <= nGroups; source++)
      if (source !== target) inflow += carried[target * side + source];
    for (let source = 0; source < nGroups; source++) {
      const place = target * side + source;
      if (source === target || carried[place] === 0) continue;
      found.push({
        source,
        target,
        carried: carried[place],
        effect: effect[place],
        share: carried[place] / inflow,
      });
    }
  }
  return found.sort((one, other) => other.carried - one.carried);
}
