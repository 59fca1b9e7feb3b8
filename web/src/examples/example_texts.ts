/** Example texts of a feature: which come first, how strongly their tokens are shaded, what is left out. */

import type { Example, ExampleGroup, FeatureRecord } from "../api/types.ts";

/** Kinds of groups. */
export const STRONGEST = 0;
export const MOST_NEGATIVE = -1;

/** Whether a group is one of those below the strongest, or above the most negative. */
export const isLevel = (kind: number): boolean => kind > STRONGEST || kind < MOST_NEGATIVE;

/**
 * The side on which the feature is active here, then the other side; after the side that they are of, levels, those of
 * one text each in one list.
 */
export function inOrder(groups: readonly ExampleGroup[], activation: number): ExampleGroup[] {
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

function oneList(levels: ExampleGroup[]): ExampleGroup[] {
  if (levels.length < 2 || levels.some(({ examples }) => examples.length > 1)) return levels;
  const examples = levels.flatMap((level) => level.examples);
  return [{ kind: levels[0].kind, name: "Weaker and weaker", examples }];
}

/** The activations that are shaded fully. */
export interface FullShades {
  raises: number;
  lowers: number;
}

/**
 * The feature's largest activation on the side of the example, so that weaker texts look weaker; tokens on the other
 * side are held to the larger of both, so that none outshines the peak by being measured more gently. What an example
 * holds is enough where the extremes are not known.
 */
export function fullShades({ minimum, maximum }: FeatureRecord, { peak }: Example): FullShades {
  const [lowest, highest] = [Math.abs(minimum ?? 0), Math.abs(maximum ?? 0)];
  const own = Math.max(peak < 0 ? lowest : highest, Math.abs(peak)) || 1;
  const other = Math.max(own, lowest, highest);
  return peak < 0 ? { raises: other, lowers: own } : { raises: own, lowers: other };
}

/** From 0 to 1; faint activations leave no shade, so that the ones that count stand out. */
export function shade(activation: number, full: FullShades): number {
  const share = Math.min(1, Math.abs(activation) / (activation < 0 ? full.lowers : full.raises));
  return share < FAINT ? 0 : share;
}

const FAINT = 0.06;

const BEFORE = 56;
const AFTER = 34;
/** Characters around the peak: what comes after it changed nothing. */

/** Where a text is cut so that its peak and what led to it fit into two lines or three: the first token, and the end. */
export function cut({ tokens, peak_at }: Example): [number, number] {
  let [begin, end] = [peak_at, peak_at + 1];
  for (let room = BEFORE; begin > 0 && tokens[begin - 1].length <= room; begin--)
    room -= tokens[begin - 1].length;
  for (let room = AFTER; end < tokens.length && tokens[end].length <= room; end++) room -= tokens[end].length;
  return [begin, end];
}

/** Whether all words stand in what an index knows of a feature, whatever the case. */
export function holds(details: FeatureRecord, label: string, words: readonly string[]): string | null {
  const texts = details.groups.flatMap(({ examples }) => examples.map(({ tokens }) => tokens.join("")));
  const { top_outputs, strongest_tokens, strongest_low } = details;
  const tokens = [...top_outputs, ...strongest_tokens, ...strongest_low].map(({ text }) => text.trim());
  const pieces = [label, tokens.slice(0, 8).join(", "), ...texts].map((piece) => piece.trim());
  const all = [label, ...tokens, ...texts].join("\n").toLowerCase();
  if (!words.every((word) => all.includes(word.toLowerCase()))) return null;
  const held = (piece: string) =>
    words.filter((word) => piece.toLowerCase().includes(word.toLowerCase())).length;
  return pieces.reduce((best, piece) => (held(piece) > held(best) ? piece : best));
}
