/** Topological order: levels of the nodes such that every edge goes up. */

import type { Graph } from "./graph.ts";

/**
 * A level from 0 for every node, such that every edge goes from a lower level to a higher one: the layer
 * plus one where all edges go up the layers (as in every graph that clew traces), else the length of the
 * longest path to the node. Throws a sentence that names the nodes of a cycle.
 */
export function topologicalLevels(graph: Graph): Int32Array {
  const level = Int32Array.from(graph.layer, (layer) => layer + 1);
  return goesUp(graph, level) ? level : longestPathLengths(graph);
}

function goesUp(graph: Graph, level: Int32Array): boolean {
  const { offset, source } = graph;
  for (let target = 0; target < graph.nNodes; target++) {
    const own = level[target];
    for (let edge = offset[target]; edge < offset[target + 1]; edge++)
      if (level[source[edge]] >= own) return false;
  }
  return true;
}

/** Kahn's algorithm: a node is settled once all its sources are. */
function longestPathLengths(graph: Graph): Int32Array {
  const { offset, outOffset, outTarget, nNodes } = graph;
  const level = new Int32Array(nNodes);
  const waitingFor = Int32Array.from(level, (_, node) => offset[node + 1] - offset[node]);
  const settled = new Int32Array(nNodes);
  let nSettled = 0;
  for (let node = 0; node < nNodes; node++) if (waitingFor[node] === 0) settled[nSettled++] = node;
  for (let next = 0; next < nSettled; next++) {
    const node = settled[next];
    for (let edge = outOffset[node]; edge < outOffset[node + 1]; edge++) {
      const target = outTarget[edge];
      level[target] = Math.max(level[target], level[node] + 1);
      if (--waitingFor[target] === 0) settled[nSettled++] = target;
    }
  }
  if (nSettled < nNodes) throw new Error(describeCycle(graph, waitingFor));
  return level;
}

/** Every node that still waits has a source that still waits, so walking backwards ends in a cycle. */
function describeCycle(graph: Graph, waitingFor: Int32Array): string {
  let node = waitingFor.findIndex((count) => count > 0);
  const walked: number[] = [];
  while (!walked.includes(node)) {
    walked.push(node);
    node = graph.source
      .subarray(graph.offset[node], graph.offset[node + 1])
      .find((source) => waitingFor[source] > 0)!;
  }
  const cycle = walked.slice(walked.indexOf(node)).reverse();
  const shown = cycle.slice(0, 6).map((member) => graph.ids[member]);
  if (cycle.length > 6) shown.push("...");
  return (
    `The edges ${[...shown, graph.ids[cycle[0]]].join(" -> ")} form a cycle; ` +
    "an attribution graph only leads from earlier to later computation."
  );
}

/** Nodes by level, the highest first; within a level in node order. */
export function fromTheTop(level: Int32Array): Int32Array {
  const top = level.reduce((most, own) => Math.max(most, own), 0);
  const begin = new Int32Array(top + 2);
  for (const own of level) begin[top - own + 1]++;
  for (let step = 0; step <= top; step++) begin[step + 1] += begin[step];
  const order = new Int32Array(level.length);
  for (let node = 0; node < level.length; node++) order[begin[top - level[node]]++] = node;
  return order;
}
