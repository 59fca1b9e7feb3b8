/** Draw the link graph on two canvases: the scene at rest, and the selection above it. */

import { strokeEdge, paintStrongestEdges } from "./paint_edges.ts";
import { paintLabels, paintTargets, paintTokens, SANS } from "./paint_labels.ts";
import { paintNodes, paintRing } from "./paint_nodes.ts";
import { toX, toY, type Overlay, type Scene } from "./link_scene.ts";

export function paintScene(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, height, palette } = scene;
  context.clearRect(0, 0, width, height);
  context.textRendering = "optimizeSpeed"; // without ligatures, which turn <| into a triangle
  paintGround(context, scene);
  paintStrongestEdges(context, scene);
  paintNodes(context, scene);
  context.globalAlpha = 1;
  paintTokens(context, scene);
  paintTargets(context, scene);
  paintLabels(context, scene);
  context.fillStyle = palette.ink;
}

/** Faint columns, and the number of every fifth layer. */
function paintGround(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, palette, graph } = scene;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.globalAlpha = 0.55;
  context.beginPath();
  for (const column of layout.columns.slice(1)) {
    const x = Math.round(toX(scene, column.left)) + 0.5;
    context.moveTo(x, Math.max(0, toY(scene, 0)));
    context.lineTo(x, Math.min(scene.height, toY(scene, layout.height)));
  }
  context.stroke();
  context.globalAlpha = 1;
  context.fillStyle = palette.faint;
  context.font = `10px ${SANS}`;
  context.textAlign = "left";
  context.textBaseline = "middle";
  const every = layout.bands.length > 12 ? 5 : 1;
  const x = Math.max(4, toX(scene, 0) - 26);
  for (const band of layout.bands)
    if (band.layer >= 0 && band.layer < graph.nLayers && band.layer % every === 0)
      context.fillText(`L${band.layer}`, x, toY(scene, band.top + band.height / 2));
}

/** Edges and rings of the selection, and the lasso. */
export function paintOverlay(context: CanvasRenderingContext2D, scene: Scene, overlay: Overlay): void {
  const { palette } = scene;
  context.clearRect(0, 0, scene.width, scene.height);
  for (const { edge, target, share } of overlay.edges) {
    context.globalAlpha = 0.12 + 0.83 * Math.sqrt(share);
    strokeEdge(context, scene, edge, target, 0.6 + 3.2 * Math.sqrt(share));
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
  for (const node of overlay.selected)
    paintRing(context, scene, node, { color: palette.accent, distance: 3, width: 2.2 });
  if (overlay.hovered !== null)
    paintRing(context, scene, overlay.hovered, { color: palette.ink, distance: 2.5, width: 1.3 });
  if (overlay.focused !== null)
    paintRing(context, scene, overlay.focused, { color: palette.accent, distance: 6, width: 1 });
  if (overlay.lasso) {
    context.beginPath();
    overlay.lasso.forEach(([x, y], place) => (place ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.fillStyle = palette.accent;
    context.globalAlpha = 0.08;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = palette.accent;
    context.lineWidth = 1;
    context.stroke();
  }
}
