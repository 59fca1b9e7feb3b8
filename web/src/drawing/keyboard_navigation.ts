/** Arrow keys on the link graph: up and down along the strongest edge, sideways along the prompt. */

import type { Graph } from "../graph/graph.ts";
import type { Pruned } from "../graph/prune.ts";
import type { Layout } from "./link_layout.ts";

export type Direction = "up" | "down" | "left" | "right";

type Shown = Pick<Pruned, "node" | "edge">;

/** The next node in a direction, or null where there is none. */
export function nextNode(
  graph: Graph,
  layout: Layout,
  shown: Shown,
  from: number,
  direction: Direction,
): number | null {
  if (direction === "up") return strongestOutput(graph, shown, from);
  if (direction === "down") return strongestInput(graph, shown, from);
  return beside(graph, layout, shown, from, direction === "left" ? -1 : 1);
}

function strongestInput(graph: Graph, shown: Shown, node: number): number | null {
  let [best, most] = [-1, 0];
  for (let edge = graph.offset[node]; edge < graph.offset[node + 1]; edge++) {
    const size = Math.abs(graph.weight[edge]);
    if (shown.edge[edge] && shown.node[graph.source[edge]] && size > most)
      [best, most] = [graph.source[edge], size];
  }
  return best < 0 ? null : best;
}

function strongestOutput(graph: Graph, shown: Shown, node: number): number | null {
  let [best, most] = [-1, 0];
  for (let place = graph.outOffset[node]; place < graph.outOffset[node + 1]; place++) {
    const edge = graph.outEdge[place];
    const size = Math.abs(graph.weight[edge]);
    if (shown.edge[edge] && shown.node[graph.outTarget[place]] && size > most)
      [best, most] = [graph.outTarget[place], size];
  }
  return best < 0 ? null : best;
}

/** The nearest node on that side, those at the same height before others. */
function beside(graph: Graph, layout: Layout, shown: Shown, from: number, sign: number): number | null {
  let [best, least] = [-1, Infinity];
  for (let node = 0; node < graph.nNodes; node++) {
    const dx = sign * (layout.x[node] - layout.x[from]);
    if (!shown.node[node] || node === from || !(dx > 0.5)) continue;
    const distance = dx + 6 * Math.abs(layout.y[node] - layout.y[from]);
    if (distance < least) [best, least] = [node, distance];
  }
  return best < 0 ? null : best;
}
