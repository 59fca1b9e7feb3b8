/** The fonts of exported figures. They come with the script, so that an export needs no network. */

import type { Measure, TextStyle } from "../drawing/text_measure.ts";
import mono from "./fonts/mono-500.ttf?inline";
import sans from "./fonts/sans-400.ttf?inline";
import strong from "./fonts/sans-600.ttf?inline";
import { readTrueType, type TrueType } from "./true_type.ts";
import { fromBase64 } from "./base64.ts";

export interface FigureFont {
  /** The family's name on the page, and the weight. */
  family: string;
  weight: number;
  bytes: Uint8Array;
  font: TrueType;
}

const read = (family: string, weight: number, url: string): FigureFont => {
  const bytes = fromBase64(url.slice(url.indexOf(",") + 1));
  return { family, weight, bytes, font: readTrueType(bytes) };
};

let known: Record<"mono" | "sans" | "strong", FigureFont> | null = null;

/** All three; they are read when the first figure is exported. */
export const figureFonts = () =>
  (known ??= {
    mono: read("JetBrains Mono Variable", 500, mono),
    sans: read("Inter Variable", 400, sans),
    strong: read("Inter Variable", 600, strong),
  });

export const fontFor = ({ family, weight }: TextStyle): FigureFont =>
  family === "mono" ? figureFonts().mono : weight > 500 ? figureFonts().strong : figureFonts().sans;

/** The measure by these fonts, for drawing without a browser; a character that they lack is one em wide. */
export const measureByFonts: Measure = (text, style) => {
  const { font } = fontFor(style);
  let width = 0;
  for (const character of text) {
    const glyph = font.glyphOf(character);
    width += glyph ? font.widthOf(glyph) : 1000;
  }
  return (width * style.size) / 1000;
};
