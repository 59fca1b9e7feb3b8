/** Influence between groups of nodes: the lines of the summary and of the chosen nodes. */

import type { Graph } from "./graph.ts";
import { measureFlow, safeDivide, type Flow, type Mask } from "./influence.ts";
import type { Prepared } from "./prepared_graph.ts";

/**
 * Some edges taken together. An edge of weight `w` into node `t` carries
 * `|w| (influence(t) + target weight(t)) / row total(t)` of the influence; both sums are over the edges, divided
 * by the influence on all nodes.
 */
export interface Sum {
  readonly carried: number;
  /** The signed sum: positive where the source makes its targets more active. */
  readonly effect: number;
  /** Number of edges. */
  readonly count: number;
}

/** The edges from members of one group to those of another, taken together. */
export interface GroupEdge extends Sum {
  readonly source: number;
  readonly target: number;
  /** `carried`, as a share of all that flows into the target group from outside of it. */
  readonly share: number;
}

export interface GroupEdges {
  /** One for each pair of groups between which influence flows, the strongest first. */
  readonly edges: GroupEdge[];
  /** For each group, the edges from nodes in no group, and those to them. */
  readonly fromOutside: Sum[];
  readonly toOutside: Sum[];
}

/**
 * The influence between groups, as `graph.summarize()` counts it in Python. `groupOf` has the number of each node's
 * group, or -1 for nodes in none. With a `mask`, that part counts as a graph of its own.
 */
export function groupEdges(
  prepared: Prepared,
  groupOf: Int32Array,
  nGroups: number,
  mask?: Mask,
): GroupEdges {
  const { graph, order, targetWeight } = prepared;
  const flow = mask ? measureFlow(graph, order, targetWeight, mask) : prepared.flow;
  const tables = sumByPair(graph, flow, groupOf, nGroups, mask);
  const total = flow.influence.reduce((sum, own) => sum + own, 0) || 1;
  const side = nGroups + 1;
  const sum = (source: number, target: number): Sum => ({
    carried: tables.carried[source * side + target] / total,
    effect: tables.effect[source * side + target] / total,
    count: tables.count[source * side + target],
  });
  const groups = Array.from({ length: nGroups }, (_, group) => group);
  const fromOutside = groups.map((target) => sum(nGroups, target));
  const toOutside = groups.map((source) => sum(source, nGroups));
  const edges = groups.flatMap((target) => {
    const into = groups
      .filter((source) => source !== target)
      .map((source) => ({ source, ...sum(source, target) }));
    const inflow = into.reduce((total, edge) => total + edge.carried, fromOutside[target].carried);
    return into
      .filter((edge) => edge.carried > 0)
      .map((edge) => ({ ...edge, target, share: safeDivide(edge.carried, inflow) }));
  });
  edges.sort((left, right) => right.carried - left.carried || left.source - right.source);
  return { edges, fromOutside, toOutside };
}

/** Sums at `source * (nGroups + 1) + target`, the outside being one more group behind the others. */
function sumByPair(
  { offset, source, weight, activation, nNodes }: Graph,
  { perWeight }: Flow,
  groupOf: Int32Array,
  nGroups: number,
  mask: Mask | undefined,
): { carried: Float64Array; effect: Float64Array; count: Int32Array } {
  const side = nGroups + 1;
  const carried = new Float64Array(side * side);
  const effect = new Float64Array(side * side);
  const count = new Int32Array(side * side);
  const group = groupOf.map((own) => (own < 0 ? nGroups : own));
  for (let target = 0; target < nNodes; target++) {
    if (mask && mask.node[target] === 0) continue;
    const each = perWeight[target];
    const turn = activation[target] < 0 ? -each : each;
    for (let edge = offset[target]; edge < offset[target + 1]; edge++) {
      if (mask && (mask.node[source[edge]] === 0 || mask.edge?.[edge] === 0)) continue;
      const place = group[source[edge]] * side + group[target];
      carried[place] += Math.abs(weight[edge]) * each;
      effect[place] += weight[edge] * turn;
      count[place]++;
    }
  }
  return { carried, effect, count };
}

/** The number of each node's group; of several groups, the last counts. */
export function groupNumbers(nNodes: number, groups: Iterable<number>[]): Int32Array {
  const groupOf = new Int32Array(nNodes).fill(-1);
  groups.forEach((members, group) => {
    for (const node of members) groupOf[node] = group;
  });
  return groupOf;
}
