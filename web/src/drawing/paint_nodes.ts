/** Draw nodes of the link graph on a canvas. */

import { ERROR, FEATURE, TARGET, TOKEN } from "../graph/graph.ts";
import { radiusOf, toX, toY, type Scene } from "./link_scene.ts";

export function paintNodes(context: CanvasRenderingContext2D, scene: Scene): void {
  const { graph, layout, palette, shownNode, glow } = scene;
  for (let node = 0; node < graph.nNodes; node++) {
    if (!shownNode[node] || Number.isNaN(layout.x[node])) continue;
    const x = toX(scene, layout.x[node]);
    const y = toY(scene, layout.y[node]);
    if (x < -20 || y < -20 || x > scene.width + 20 || y > scene.height + 20) continue;
    const lit = glow?.get(node);
    const isDimmed = glow !== null && lit === undefined;
    const color = scene.colorOf(node);
    context.globalAlpha = isDimmed ? 0.18 : graph.kind[node] === ERROR ? 0.75 : 1;
    tracePath(context, graph.kind[node], x, y, radiusOf(scene, node));
    if (graph.kind[node] === ERROR) {
      context.strokeStyle = palette.faint;
      context.lineWidth = 1;
      context.stroke();
      continue;
    }
    context.fillStyle = lit
      ? lit > 0
        ? palette.raises
        : palette.lowers
      : (color ?? (graph.kind[node] === FEATURE ? palette.feature : palette.ink));
    context.fill();
    if (scene.isPinned(node))
      paintRing(context, scene, node, { color: palette.accent, distance: 2.5, width: 1.4 });
  }
  context.globalAlpha = 1;
}

/** Corners of the signs for outputs and errors, for a radius of 1. */
const TRIANGLE: readonly [number, number][] = [
  [0, -1.25],
  [1.15, 0.85],
  [-1.15, 0.85],
];
const DIAMOND: readonly [number, number][] = [
  [0, -1.3],
  [1.3, 0],
  [0, 1.3],
  [-1.3, 0],
];

/** Begin the outline of a node: circle for features, diamond for errors, square for tokens, triangle for outputs. */
function tracePath(context: CanvasRenderingContext2D, kind: number, x: number, y: number, r: number): void {
  context.beginPath();
  if (kind === FEATURE) context.arc(x, y, r, 0, 2 * Math.PI);
  else if (kind === TOKEN) context.rect(x - r, y - r, 2 * r, 2 * r);
  else {
    const corners = kind === TARGET ? TRIANGLE : DIAMOND;
    corners.forEach(([dx, dy], place) =>
      place ? context.lineTo(x + dx * r, y + dy * r) : context.moveTo(x + dx * r, y + dy * r),
    );
    context.closePath();
  }
}

/** A ring around a node, `distance` pixels away from it. */
export function paintRing(
  context: CanvasRenderingContext2D,
  scene: Scene,
  node: number,
  { color, distance, width }: { color: string; distance: number; width: number },
): void {
  const { graph, layout } = scene;
  if (Number.isNaN(layout.x[node])) return;
  const [x, y] = [toX(scene, layout.x[node]), toY(scene, layout.y[node])];
  tracePath(context, graph.kind[node], x, y, radiusOf(scene, node) + distance);
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}
