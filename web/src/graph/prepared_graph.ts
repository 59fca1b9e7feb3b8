/** Everything that pruning and scores need whatever the thresholds: computed once when a graph is opened. */

import type { Graph } from "./graph.ts";
import { measureFlow, targetWeights, type Flow } from "./influence.ts";
import { fromTheTop, topologicalLevels } from "./topological_order.ts";

export interface Prepared {
  readonly graph: Graph;
  /** A level for each node, such that every edge leads to a higher one. */
  readonly level: Int32Array;
  /** All nodes, those of the highest level first. */
  readonly order: Int32Array;
  /** Weight of each node as an explained output: zero for all but targets. */
  readonly targetWeight: Float64Array;
  /** The flow through the whole graph. */
  readonly flow: Flow;
  /** Influence on all nodes together. */
  readonly totalInfluence: number;
  /** Influence of each node, the largest first. */
  readonly sortedInfluence: Float64Array;
  /** A number for the (layer, position) of each node. */
  readonly cell: Int32Array;
  readonly nCells: number;
}

/** Throws a sentence where the edges of the graph form a cycle. */
export function prepare(graph: Graph): Prepared {
  const level = topologicalLevels(graph);
  const order = fromTheTop(level);
  const targetWeight = targetWeights(graph);
  const flow = measureFlow(graph, order, targetWeight);
  const nPositions = graph.position.reduce((most, position) => Math.max(most, position), 0) + 1;
  const cell = Int32Array.from(
    graph.position,
    (position, node) => (graph.layer[node] + 1) * nPositions + position,
  );
  return {
    graph,
    level,
    order,
    targetWeight,
    flow,
    totalInfluence: flow.influence.reduce((sum, own) => sum + own, 0),
    sortedInfluence: flow.influence.slice().sort().reverse(),
    cell,
    nCells: cell.reduce((most, own) => Math.max(most, own), 0) + 1,
  };
}
