/** Example texts of a feature: their order, the shades of their tokens, and where they are cut. */

import type { ExampleAnswer, ExampleGroupAnswer, FeatureRecordAnswer } from "../api/types.ts";

/** Kinds of example groups: 0 is the strongest group, -1 the most negative; numbers beyond them are weaker levels. */
export const STRONGEST = 0;
export const MOST_NEGATIVE = -1;

/** True for a weaker level of either side. */
export const isLevel = (kind: number): boolean => kind > STRONGEST || kind < MOST_NEGATIVE;

/**
 * Groups in the order of reading: the side on which the feature is active here with its weaker levels, then the other
 * side. Levels with a single text are joined into one list.
 */
export function inOrder(groups: readonly ExampleGroupAnswer[], activation: number): ExampleGroupAnswer[] {
  const some = groups.filter(({ examples }) => examples.length);
  const levels = some
    .filter(({ kind }) => isLevel(kind))
    .sort((one, another) => Math.abs(one.kind) - Math.abs(another.kind));
  const sides = [STRONGEST, MOST_NEGATIVE].map((side) => [
    ...some.filter(({ kind }) => kind === side),
    ...oneList(levels.filter(({ examples }) => examples[0].peak < 0 === (side === MOST_NEGATIVE))),
  ]);
  return (activation < 0 ? sides.reverse() : sides).flat();
}

function oneList(levels: ExampleGroupAnswer[]): ExampleGroupAnswer[] {
  if (levels.length < 2 || levels.some(({ examples }) => examples.length > 1)) return levels;
  const examples = levels.flatMap((level) => level.examples);
  return [{ kind: levels[0].kind, name: "Weaker and weaker", examples }];
}

/** The activations that get the full shade, for each sign. */
export interface FullShades {
  positive: number;
  negative: number;
}

/**
 * The feature's largest activation on the example's side, so that weaker texts look weaker. Tokens on the other side
 * are measured by the larger of both extremes, so that none outshines the peak. Where the index knows no extremes, the
 * example's own peak serves.
 */
export function fullShades({ minimum, maximum }: FeatureRecordAnswer, { peak }: ExampleAnswer): FullShades {
  const [lowest, highest] = [Math.abs(minimum ?? 0), Math.abs(maximum ?? 0)];
  const peakSide = Math.max(peak < 0 ? lowest : highest, Math.abs(peak)) || 1;
  const otherSide = Math.max(peakSide, lowest, highest);
  return peak < 0 ? { positive: otherSide, negative: peakSide } : { positive: peakSide, negative: otherSide };
}

/** Activations below this share of the full shade stay unshaded, so that the others stand out. */
const FAINT = 0.06;

/** The shade of a token, from 0 to 1. */
export function shade(activation: number, full: FullShades): number {
  const share = Math.min(1, Math.abs(activation) / (activation < 0 ? full.negative : full.positive));
  return share < FAINT ? 0 : share;
}

/** Characters shown around the peak: fewer after it, since later tokens cannot have caused it. */
const BEFORE = 56;
const AFTER = 34;

/** The tokens around the peak that fit into two or three lines, from the first to the end. */
export function excerpt({ tokens, peak_at }: ExampleAnswer): [number, number] {
  let [begin, end] = [peak_at, peak_at + 1];
  for (let room = BEFORE; begin > 0 && tokens[begin - 1].length <= room; begin--)
    room -= tokens[begin - 1].length;
  for (let room = AFTER; end < tokens.length && tokens[end].length <= room; end++) room -= tokens[end].length;
  return [begin, end];
}

/** The text that best shows some words in the index of a feature, whatever the case; null unless all are found. */
export function matchingText(
  details: FeatureRecordAnswer,
  label: string,
  words: readonly string[],
): string | null {
  const texts = details.groups.flatMap(({ examples }) => examples.map(({ tokens }) => tokens.join("")));
  const { top_outputs, strongest_tokens, strongest_low } = details;
  const tokens = [...top_outputs, ...strongest_tokens, ...strongest_low].map(({ text }) => text.trim());
  const pieces = [label, tokens.slice(0, 8).join(", "), ...texts].map((piece) => piece.trim());
  const all = [label, ...tokens, ...texts].join("\n").toLowerCase();
  if (!words.every((word) => all.includes(word.toLowerCase()))) return null;
  const matches = (piece: string) =>
    words.filter((word) => piece.toLowerCase().includes(word.toLowerCase())).length;
  return pieces.reduce((best, piece) => (matches(piece) > matches(best) ? piece : best));
}
