/** The prompt's tokens in a row; in a long prompt, quiet ones are folded into boxes that count them. */

import { percent, plural } from "../format/numbers.ts";
import { inText } from "../graph/token_text.ts";
import { cutText, type Measure, type TextStyle } from "../drawing/text_measure.ts";
import type { Told } from "./story.ts";

export interface TokenCell {
  /** One token, or the quiet ones of a run. */
  boxes: Told[];
  isRun: boolean;
  text: string;
  share: string;
  isLarge: boolean;
  /** Left edge and middle line, within the row. */
  x: number;
  line: number;
  width: number;
}

export const LARGE: TextStyle = { family: "mono", weight: 500, size: 14 };
export const SMALL: TextStyle = { family: "mono", weight: 400, size: 11 };
export const SHARE: TextStyle = { family: "sans", weight: 400, size: 10 };
/** Gaps between tokens, and between pieces of one word. */
const GAP = 6;
const JOINED = 2;
const MOST_GAP = 26;
const WIDEST = 150;
/** Prompts of so many tokens may take a second line before any is folded; the words that matter of longer ones fit on one. */
const TWO_LINES = [20, 40];

/** A token without the space that it begins with: the gap between boxes stands for it. */
const tokenText = (name: string): string =>
  inText(/^ +\S/.test(name) ? name.replace(/^ +/, "") : name) || "·";
const continues = (name: string): boolean => /^[\p{L}\p{N}'’]/u.test(name);

/** Cells in lines of `width`; `unfolded` are the positions that a person unfolded. */
export function tokenCells(
  tokens: readonly Told[],
  width: number,
  unfolded: ReadonlySet<number>,
  large: ReadonlySet<string>,
  measure: Measure,
): TokenCell[] {
  const cell = (box: Told): TokenCell => {
    const isLarge = !box.folded || large.has(box.key);
    const font = isLarge ? LARGE : SMALL;
    const text = cutText(tokenText(box.name), font, WIDEST, measure);
    const share = percent(box.share);
    const inside = Math.max(measure(text, font) + (isLarge ? 18 : 8), measure(share, SHARE) + 2);
    return { boxes: [box], isRun: false, text, share, isLarge, x: 0, line: 0, width: inside };
  };
  const run = (boxes: Told[]): TokenCell => {
    if (boxes.length === 1) return cell(boxes[0]);
    const text = `… ${plural(boxes.length, "token")} …`;
    const share = percent(boxes.reduce((sum, box) => sum + box.share, 0));
    const font: TextStyle = { ...SMALL, family: "sans" };
    return {
      boxes,
      isRun: true,
      text,
      share,
      isLarge: false,
      x: 0,
      line: 0,
      width: measure(text, font) + 14,
    };
  };
  const arranged = (kept: ReadonlySet<number>): TokenCell[] => {
    const cells: TokenCell[] = [];
    let quiet: Told[] = [];
    const close = () => {
      const [folded, single] = [quiet.length ? run(quiet) : null, quiet.map(cell)];
      const apart = single.reduce((sum, { width }) => sum + width + GAP, -GAP);
      if (folded) cells.push(...(apart <= folded.width ? single : [folded]));
      quiet = [];
    };
    for (const box of tokens)
      if (kept.has(box.positions[0])) {
        close();
        cells.push(cell(box));
      } else quiet.push(box);
    close();
    return flow(cells, width);
  };
  const linesOf = (cells: TokenCell[]) => (cells.at(-1)?.line ?? 0) + 1;
  const isMiddling = tokens.length > TWO_LINES[0] && tokens.length <= TWO_LINES[1];
  const most = isMiddling || width < 560 ? 2 : 1;
  const ranked = [...tokens].sort(
    (one, other) => Number(one.folded) - Number(other.folded) || other.share - one.share,
  );
  const keeping = (count: number) => new Set(ranked.slice(0, count).map(({ positions }) => positions[0]));
  let [fits, fails] = [0, tokens.length + 1];
  while (fails - fits > 1) {
    const middle = (fits + fails) >> 1;
    if (linesOf(arranged(keeping(middle))) <= most) fits = middle;
    else fails = middle;
  }
  return arranged(new Set([...keeping(fits), ...unfolded]));
}

/** Give the cells of a short row more room between words. */
export function loosen(cells: readonly TokenCell[], width: number): void {
  const last = cells.at(-1);
  if (!last) return;
  const joined = cells.map((cell, place) => joins(cells[place - 1], cell, place));
  const words = joined.filter((each) => !each).length;
  const more = Math.max(0, Math.min(MOST_GAP - GAP, (0.84 * width - last.x - last.width) / words));
  let shift = 0;
  cells.forEach((cell, place) => {
    if (place && !joined[place]) shift += more;
    cell.x += shift;
  });
}

/** True for a piece that goes on with the word before it. */
const joins = (before: TokenCell | undefined, cell: TokenCell, place: number): boolean =>
  before !== undefined && !cell.isRun && !before.isRun && place > 1 && continues(cell.boxes[0].name);

/** Cells side by side, on as many lines as they need. */
function flow(cells: TokenCell[], width: number): TokenCell[] {
  let [x, line] = [0, 0];
  cells.forEach((cell, place) => {
    if (place) x += joins(cells[place - 1], cell, place) ? JOINED : GAP;
    if (place && x + cell.width > width) [x, line] = [0, line + 1];
    [cell.x, cell.line] = [x, line];
    x += cell.width;
  });
  return cells;
}
