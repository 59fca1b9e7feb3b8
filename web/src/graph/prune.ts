/** Pruning: keeps the smallest part of a graph that carries a chosen share of the influence. */

import { smallestKept, smallestKeptOfSorted } from "./influence_cutoff.ts";
import { ERROR, FEATURE, TOKEN, type Graph } from "./graph.ts";
import { measureFlow, type Mask } from "./influence.ts";
import type { Prepared } from "./prepared_graph.ts";

export interface Pruned extends Mask {
  readonly edge: Uint8Array;
  readonly counts: { nodes: number; features: number; errors: number; edges: number };
  /** Share of the influence through nodes and edges that were removed, here or before the file was saved. */
  readonly influenceLeftOut: number;
}

/**
 * Nodes and edges that stay, in the published order of steps. Nodes are chosen by influence (tokens and targets always
 * stay), then edges by their share of the flow in what remains. Then features without inputs or outputs, and errors
 * without outputs, are removed until nothing changes. Throws a sentence for thresholds outside (0, 1].
 */
export function prune(prepared: Prepared, nodeThreshold: number, edgeThreshold: number): Pruned {
  checkThreshold("node", nodeThreshold);
  checkThreshold("edge", edgeThreshold);
  const { graph } = prepared;
  const node = strongestNodes(prepared, nodeThreshold);
  const carried = flowWithin(prepared, node);
  const edge = keepFrom(carried, smallestKept(carried, edgeThreshold));
  dropDeadEnds(graph, node, edge);
  return { node, edge, ...measure(prepared, node, edge) };
}

function checkThreshold(name: string, threshold: number): void {
  if (!(threshold > 0 && threshold <= 1))
    throw new Error(`The ${name} threshold must be above 0 and at most 1, not ${threshold}.`);
}

function strongestNodes({ graph, flow, sortedInfluence }: Prepared, threshold: number): Uint8Array {
  const cutoff = smallestKeptOfSorted(sortedInfluence, threshold);
  return Uint8Array.from(graph.kind, (kind, node) =>
    kind >= TOKEN || flow.influence[node] >= cutoff ? 1 : 0,
  );
}

/** Influence that edges between the remaining nodes carry in the graph of these alone; -1 for other edges. */
function flowWithin({ graph, order, targetWeight }: Prepared, keep: Uint8Array): Float64Array {
  const { offset, source, weight } = graph;
  const { perWeight } = measureFlow(graph, order, targetWeight, { node: keep, edge: null });
  const carried = new Float64Array(graph.nEdges).fill(-1);
  for (let target = 0; target < graph.nNodes; target++) {
    if (keep[target] === 0) continue;
    for (let edge = offset[target]; edge < offset[target + 1]; edge++)
      if (keep[source[edge]] === 1) carried[edge] = Math.abs(weight[edge]) * perWeight[target];
  }
  return carried;
}

function keepFrom(carried: Float64Array, cutoff: number): Uint8Array {
  const keep = new Uint8Array(carried.length);
  for (let edge = 0; edge < carried.length; edge++) if (carried[edge] >= cutoff) keep[edge] = 1;
  return keep;
}

/** Removes nodes that lead nowhere or come from nowhere from both masks, and all that this leaves so. */
function dropDeadEnds(graph: Graph, node: Uint8Array, edge: Uint8Array): void {
  const { offset, source, outOffset, outTarget, outEdge, kind } = graph;
  const { inputs, outputs } = countEdges(graph, edge);
  const isDeadEnd = (which: number) =>
    node[which] === 1 &&
    kind[which] < TOKEN &&
    (outputs[which] === 0 || (kind[which] === FEATURE && inputs[which] === 0));
  const dropped: number[] = [];
  const drop = (which: number) => {
    node[which] = 0;
    dropped.push(which);
  };
  for (let which = 0; which < graph.nNodes; which++) if (isDeadEnd(which)) drop(which);
  for (let which = dropped.pop(); which !== undefined; which = dropped.pop()) {
    for (let at = offset[which]; at < offset[which + 1]; at++) {
      if (edge[at] === 0) continue;
      edge[at] = 0;
      outputs[source[at]]--;
      if (isDeadEnd(source[at])) drop(source[at]);
    }
    for (let at = outOffset[which]; at < outOffset[which + 1]; at++) {
      if (edge[outEdge[at]] === 0) continue;
      edge[outEdge[at]] = 0;
      inputs[outTarget[at]]--;
      if (isDeadEnd(outTarget[at])) drop(outTarget[at]);
    }
  }
}

function countEdges(graph: Graph, keep: Uint8Array): { inputs: Int32Array; outputs: Int32Array } {
  const inputs = new Int32Array(graph.nNodes);
  const outputs = new Int32Array(graph.nNodes);
  for (let target = 0; target < graph.nNodes; target++)
    for (let edge = graph.offset[target]; edge < graph.offset[target + 1]; edge++)
      if (keep[edge] === 1) {
        inputs[target]++;
        outputs[graph.source[edge]]++;
      }
  return { inputs, outputs };
}

function measure(
  { graph, flow, totalInfluence }: Prepared,
  node: Uint8Array,
  edge: Uint8Array,
): Pick<Pruned, "counts" | "influenceLeftOut"> {
  const counts = { nodes: 0, features: 0, errors: 0, edges: 0 };
  let carried = 0;
  for (let target = 0; target < graph.nNodes; target++) {
    if (node[target] === 0) continue;
    counts.nodes++;
    if (graph.kind[target] === FEATURE) counts.features++;
    if (graph.kind[target] === ERROR) counts.errors++;
    let total = 0;
    for (let at = graph.offset[target]; at < graph.offset[target + 1]; at++)
      if (edge[at] === 1) {
        total += Math.abs(graph.weight[at]);
        counts.edges++;
      }
    carried += total * flow.perWeight[target];
  }
  const share = totalInfluence > 0 ? carried / totalInfluence : 1;
  return { counts, influenceLeftOut: 1 - (1 - graph.info.influence_left_out) * share };
}
