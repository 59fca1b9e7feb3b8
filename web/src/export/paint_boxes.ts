/** Paint a drawing of boxes, as `BoxGraph` shows it at rest. */

import type { BoxFigure } from "../drawing/box_figure.ts";
import { badgeOf, DETAIL, FIRST_LINE, LINE, titleStyle, type PlacedBox } from "../drawing/box_layout.ts";
import type { Curve } from "../drawing/curves.ts";
import type { Palette } from "../drawing/palette.ts";
import { fontOf, type Measure } from "../drawing/text_measure.ts";

export interface BoxPaint {
  figure: BoxFigure;
  measure: Measure;
  /** True for a box whose name was made by a rule. */
  isQuiet: (box: PlacedBox) => boolean;
}

/** Pixels around a weight, where the line below it is hidden. */
const HALO = 2;

export function paintBoxes(
  context: CanvasRenderingContext2D,
  { figure, measure, isQuiet }: BoxPaint,
  palette: Palette,
): void {
  for (const { edge, curve, width, opacity } of figure.lines) {
    context.globalAlpha = opacity;
    paintCurve(context, curve, width, edge.effect < 0, edge.effect < 0 ? palette.lowers : palette.raises);
  }
  context.globalAlpha = 1;
  for (const box of figure.boxes) paintBox(context, box, { measure, isQuiet: isQuiet(box) }, palette);
  context.textAlign = "center";
  context.font = fontOf(DETAIL);
  for (const { edge, weight } of figure.lines) {
    if (!weight) continue;
    const wide = measure(weight.text, DETAIL) + 2 * HALO;
    context.fillStyle = palette.paper;
    context.fillRect(weight.x - wide / 2, weight.y - 6, wide, 12);
    context.fillStyle = edge.effect < 0 ? palette.lowers : palette.raises;
    context.fillText(weight.text, weight.x, weight.y + 4);
  }
  for (const { text, y, style, isQuiet: quiet } of figure.caption?.rows ?? []) {
    context.font = fontOf(style);
    context.fillStyle = quiet ? palette.quiet : palette.ink;
    context.fillText(text, figure.caption!.x, y);
  }
}

/** A curve, dashed where it weakens, and its arrowhead. */
export function paintCurve(
  context: CanvasRenderingContext2D,
  { points: [x0, y0, x1, y1, x2, y2, x3, y3], head }: Curve,
  width: number,
  isDashed: boolean,
  color: string,
): void {
  context.strokeStyle = context.fillStyle = color;
  context.lineWidth = width;
  context.setLineDash(isDashed ? [5, 4] : []);
  context.beginPath();
  context.moveTo(x0, y0);
  context.bezierCurveTo(x1, y1, x2, y2, x3, y3);
  context.stroke();
  context.setLineDash([]);
  context.beginPath();
  head.forEach(([x, y], place) => (place ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  context.fill();
}

function paintBox(
  context: CanvasRenderingContext2D,
  box: PlacedBox,
  { measure, isQuiet }: { measure: Measure; isQuiet: boolean },
  palette: Palette,
): void {
  const [left, top] = [box.x - box.width / 2, box.y - box.height / 2];
  const isEnd = box.kind === "token" || box.kind === "target";
  context.beginPath();
  context.roundRect(left, top, box.width, box.height, box.kind === "token" ? 3 : 8);
  context.fillStyle = isEnd ? palette.raised : palette.paper;
  context.fill();
  context.strokeStyle = box.kind === "token" || box.kind === "error" ? palette.line : palette.faint;
  context.lineWidth = 1;
  context.stroke();
  if (box.color) {
    context.beginPath();
    context.roundRect(left + 5, top + 6, 5, box.height - 12, 2.5);
    context.fillStyle = box.color;
    context.fill();
  }
  const middle = box.x + (box.color ? 3 : 0);
  context.textAlign = "center";
  context.font = fontOf(titleStyle(box));
  context.fillStyle = isQuiet || box.kind === "error" ? palette.quiet : palette.ink;
  box.lines.forEach((line, row) => context.fillText(line, middle, top + FIRST_LINE + LINE * row));
  context.font = fontOf(DETAIL);
  context.fillStyle = palette.quiet;
  context.fillText(box.note, middle, top + box.height - 9);
  if (typeof box.left !== "number") return;
  const badge = badgeOf(box, measure);
  context.beginPath();
  context.roundRect(left + badge.x, top + badge.y, badge.width, badge.height, 8);
  context.fillStyle = palette.paper;
  context.fill();
  context.strokeStyle = palette.accent;
  context.stroke();
  context.fillStyle = palette.accent;
  context.fillText(badge.text, left + badge.x + badge.width / 2, top + badge.y + 12);
}
