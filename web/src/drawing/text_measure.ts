/** Widths of texts, by which boxes are sized and lines are broken. */

export interface TextStyle {
  /** Height of the font in pixels. */
  size: number;
  weight: number;
  family: "sans" | "mono";
}

/** The width of a text on one line, in pixels. */
export type Measure = (text: string, style: TextStyle) => number;

const FAMILIES = {
  sans: "'Inter Variable', sans-serif",
  mono: "'JetBrains Mono Variable', monospace",
};

/** A style as a canvas and a style sheet write it. */
export const fontOf = ({ size, weight, family }: TextStyle): string =>
  `${weight} ${size}px ${FAMILIES[family]}`;

/** A measure by a canvas; it keeps what it measured, so fonts must be there before its first use. */
export function canvasMeasure(): Measure {
  const context = document.createElement("canvas").getContext("2d");
  const known = new Map<string, number>();
  return (text, style) => {
    const font = fontOf(style);
    const key = `${font} ${text}`;
    let width = known.get(key);
    if (width === undefined) {
      if (!context) return 0.6 * style.size * text.length; // no canvas, as in tests without a browser
      context.font = font;
      width = context.measureText(text).width;
      known.set(key, width);
    }
    return width;
  };
}

/** A text in at most `most` lines of `room` pixels; what does not fit is cut with an ellipsis. */
export function wrapText(
  text: string,
  style: TextStyle,
  room: number,
  measure: Measure,
  most: number,
): string[] {
  const fits = (line: string) => measure(line, style) <= room;
  // A token in quotes keeps the space that it begins with.
  const words = text.split(/(?<!["“]) /);
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    const longer = line ? `${line} ${word}` : word;
    if (fits(longer) || !line) line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  lines.push(line);
  const shown = lines.slice(0, most);
  if (lines.length > most) shown[most - 1] = cutText(`${shown[most - 1]} …`, style, room, measure);
  return shown.map((each) => cutText(each, style, room, measure));
}

/** The longest beginning of a text that fits into `room` pixels, with an ellipsis where it is cut. */
export function cutText(text: string, style: TextStyle, room: number, measure: Measure): string {
  if (measure(text, style) <= room) return text;
  const characters = Array.from(text.replace(/ ?…$/, ""));
  let [least, most] = [0, characters.length];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (measure(`${characters.slice(0, middle).join("")}…`, style) <= room) least = middle;
    else most = middle - 1;
  }
  return `${characters.slice(0, least).join("")}…`;
}
