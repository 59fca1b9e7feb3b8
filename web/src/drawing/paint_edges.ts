/** Draw edges of the link graph on a canvas. */

import { strengthens } from "../graph/graph.ts";
import { toX, toY, type Scene } from "./link_scene.ts";

/** The strongest edges, the stronger the more opaque. */
export function paintStrongestEdges(context: CanvasRenderingContext2D, scene: Scene): void {
  const { edges, targets } = scene.strongest;
  for (let place = 0; place < edges.length; place++) {
    const strength = (place + 1) / edges.length;
    context.globalAlpha = 0.05 + 0.3 * strength ** 3;
    strokeEdge(context, scene, edges[place], targets[place], 0.5 + strength);
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/** Draw one edge as a curve; weakening edges are dashed, so that colour is not the only sign. */
export function strokeEdge(
  context: CanvasRenderingContext2D,
  scene: Scene,
  edge: number,
  target: number,
  width: number,
): void {
  const { graph, palette, layout } = scene;
  const { x, y } = layout;
  const source = graph.source[edge];
  if (Number.isNaN(x[source]) || Number.isNaN(x[target])) return;
  const [x0, y0] = [toX(scene, x[source]), toY(scene, y[source])];
  const [x1, y1] = [toX(scene, x[target]), toY(scene, y[target])];
  const bend = (y0 - y1) * 0.4;
  const isStronger = strengthens(graph, target, graph.weight[edge]);
  context.strokeStyle = isStronger ? palette.raises : palette.lowers;
  context.lineWidth = width;
  context.setLineDash(isStronger ? [] : [4, 3]);
  context.beginPath();
  context.moveTo(x0, y0);
  context.bezierCurveTo(x0, y0 - bend, x1, y1 + bend, x1, y1);
  context.stroke();
}
