/** A drawing that can be exported: shapes, the frame that holds them, and the colour behind. */

import type { Palette } from "../drawing/palette.ts";
import { fontFor, type FigureFont } from "./figure_fonts.ts";
import { frameAround, RecordedContext, type Frame, type Shape } from "./recorded_context.ts";
import type { Measure } from "../drawing/text_measure.ts";

export interface Drawing {
  shapes: Shape[];
  frame: Frame;
  background: string;
}

export type Paint = (context: CanvasRenderingContext2D, palette: Palette) => void;

/** Pixels around the shapes. */
const MARGIN = 12;

/** What a function paints, tight to what is there. */
export function record(paint: Paint, palette: Palette, measure: Measure): Drawing {
  const context = new RecordedContext(measure);
  paint(context.asCanvas, palette);
  return { shapes: context.shapes, frame: frameAround(context.shapes, MARGIN), background: palette.paper };
}

/** The glyphs of each font that the texts use. */
export function usedGlyphs(shapes: readonly Shape[]): Map<FigureFont, Map<number, string>> {
  const used = new Map<FigureFont, Map<number, string>>();
  for (const shape of shapes) {
    if (shape.kind !== "text") continue;
    const font = fontFor(shape.style);
    if (!used.has(font)) used.set(font, new Map());
    for (const character of shape.text) used.get(font)!.set(font.font.glyphOf(character), character);
  }
  return used;
}
