/** Paint a story, as `StoryGraph` shows it at rest. */

import { routeCurves } from "../drawing/curves.ts";
import type { Palette } from "../drawing/palette.ts";
import { fontOf } from "../drawing/text_measure.ts";
import { DETAIL, LINE, NODE_LINE, TITLE, type Placed } from "../story/story_layout.ts";
import { widthOf, type StoryLine } from "../story/story_lines.ts";
import { paintCurve } from "./paint_boxes.ts";
import { mixed } from "./theme_palette.ts";

export interface StoryPaint {
  placed: readonly Placed[];
  lines: readonly StoryLine[];
}

const EFFECT = { ...DETAIL, weight: 600 };
const WORD = { family: "mono", weight: 400, size: 11 } as const;

export function paintStory(
  context: CanvasRenderingContext2D,
  { placed, lines }: StoryPaint,
  palette: Palette,
): void {
  const strongest = Math.max(...lines.map(({ carried }) => carried), 1e-30);
  const strengths = lines.map(({ carried }) => Math.sqrt(carried / strongest));
  const routes = routeCurves(placed, lines, (line) => widthOf(strengths[line]));
  for (let line = lines.length - 1; line >= 0; line--) {
    const lowers = lines[line].effect < 0;
    context.globalAlpha = 0.3 + 0.5 * strengths[line];
    const color = lowers ? palette.lowers : palette.raises;
    paintCurve(context, routes[line], widthOf(strengths[line]), lowers, color);
  }
  context.globalAlpha = 1;
  for (const box of placed) {
    const [left, top] = [box.x - box.width / 2, box.y - box.height / 2];
    paintGround(context, box, palette);
    if (box.role === "step") paintStep(context, box, left, top, palette);
    else if (box.role === "fold") paintFold(context, box, left, top, palette);
    else paintWord(context, box, top, palette);
  }
  paintLegend(context, placed, palette);
}

const UNNAMED = ["unnamed", "near_sink", "dense", "error"];
const ownColor = (box: Placed, palette: Palette) =>
  (box.boxes[0].effect ?? 0) >= 0 ? palette.raises : palette.lowers;

/** The fill and the outline of a box, by its part in the story. */
function groundOf(box: Placed, palette: Palette): [fill: string, outline: string] {
  const isNamed = !UNNAMED.includes(box.boxes[0].kind);
  if (box.role === "step" && isNamed) {
    const own = ownColor(box, palette);
    return [mixed(own, 0.07, palette.paper), mixed(own, 0.45, palette.paper)];
  }
  if (box.role === "step") return [palette.raised, palette.faint];
  if (box.role === "fold" || box.role === "run") return [palette.paper, palette.faint];
  if (!box.isLarge) return [palette.paper, palette.line];
  return [palette.raised, box.role === "output" ? palette.accent : palette.faint];
}

function paintGround(context: CanvasRenderingContext2D, box: Placed, palette: Palette): void {
  [context.fillStyle, context.strokeStyle] = groundOf(box, palette);
  const isQuiet = box.role === "fold" || box.role === "run";
  context.lineWidth = 1;
  context.beginPath();
  const [left, top] = [box.x - box.width / 2, box.y - box.height / 2];
  context.roundRect(left, top, box.width, box.height, box.role === "step" ? 9 : 6);
  context.fill();
  context.setLineDash(isQuiet ? [3, 3] : []);
  context.stroke();
  context.setLineDash([]);
}

function paintStep(
  context: CanvasRenderingContext2D,
  box: Placed,
  left: number,
  top: number,
  palette: Palette,
): void {
  const head = top + box.height - box.nodes.length * NODE_LINE - (box.nodes.length ? 8 : 0);
  const { color } = box.boxes[0];
  const right = left + box.width - 14;
  write(context, box.lines, left + 14, top + 22, { font: fontOf(TITLE), color: palette.ink, step: LINE });
  if (color) {
    context.fillStyle = color;
    context.beginPath();
    context.arc(left + 14, head - 15, 4, 0, 2 * Math.PI);
    context.fill();
  }
  const own = { font: fontOf(EFFECT), color: ownColor(box, palette) };
  write(context, [box.effect], left + (color ? 24 : 14), head - 11, own);
  const detail = { font: fontOf(DETAIL), color: palette.quiet, align: "right" as const };
  write(context, [box.share], right, head - 11, detail);
  box.nodes.forEach(({ text, share }, row) => {
    const y = head + row * NODE_LINE + 13;
    write(context, [text], left + 14, y, { font: fontOf(DETAIL), color: palette.ink });
    write(context, [share], right, y, detail);
  });
}

function paintFold(
  context: CanvasRenderingContext2D,
  box: Placed,
  left: number,
  top: number,
  palette: Palette,
): void {
  const quiet = { font: fontOf(DETAIL), color: palette.quiet, step: 14 };
  write(context, box.lines, left + 8, top + 16, quiet);
  write(context, [box.share], left + 8, top + box.height - 8, quiet);
}

/** A token, a run of tokens or an output, with its share. */
function paintWord(context: CanvasRenderingContext2D, box: Placed, top: number, palette: Palette): void {
  const isOutput = box.role === "output";
  const size = !box.isLarge ? 11 : isOutput ? 15 : 14;
  const family = box.role === "run" ? "sans" : "mono";
  const font = fontOf({ ...WORD, family, size });
  const color = isOutput || box.isLarge ? palette.ink : palette.quiet;
  const word = isOutput ? top + (box.isLarge ? 22 : 17) : box.y + (box.isLarge ? 5 : 4);
  write(context, [box.lines[0]], box.x, word, { font, color, align: "center" });
  const share = isOutput ? top + box.height - 8 : top + box.height + 12;
  const small = fontOf({ ...DETAIL, size: isOutput ? 11 : 10 });
  write(context, [box.share], box.x, share, { font: small, color: palette.quiet, align: "center" });
}

/** The meaning of colours and numbers, below. */
function paintLegend(context: CanvasRenderingContext2D, placed: readonly Placed[], palette: Palette): void {
  const bottom = Math.max(...placed.map(({ y, height }) => y + height / 2));
  const left = Math.min(...placed.map(({ x, width }) => x - width / 2));
  const answer = placed.find(({ role }) => role === "output")?.lines[0] ?? "the answer";
  const texts: [string, string][] = [
    [`raises ${answer}`, palette.raises],
    [`lowers ${answer} (dashed)`, palette.lowers],
    ["±: its logit", palette.quiet],
    ["%: share of the influence", palette.quiet],
  ];
  let x = left;
  for (const [text, color] of texts) {
    write(context, [text], x, bottom + 36, { font: fontOf(DETAIL), color });
    x += context.measureText(text).width + 18;
  }
}

function write(
  context: CanvasRenderingContext2D,
  lines: readonly string[],
  x: number,
  y: number,
  given: { font: string; color: string; align?: CanvasTextAlign; step?: number },
): void {
  context.font = given.font;
  context.fillStyle = given.color;
  context.textAlign = given.align ?? "left";
  lines.forEach((line, row) => line && context.fillText(line, x, y + row * (given.step ?? 0)));
}
