/** Example texts of a feature: which come first, how strongly their tokens are shaded, what is left out. */

import type { Example, ExampleGroup, FeatureDetails } from "../api/types.ts";

/** Kinds of groups. */
export const STRONGEST = 0;
export const MOST_NEGATIVE = -1;

/** The side on which the feature is active here, then levels, then the other side. */
export function inOrder(groups: readonly ExampleGroup[], activation: number): ExampleGroup[] {
  const [own, other] = activation < 0 ? [MOST_NEGATIVE, STRONGEST] : [STRONGEST, MOST_NEGATIVE];
  const rank = ({ kind }: ExampleGroup) => (kind === own ? -1 : kind === other ? 1e9 : kind);
  return groups.filter(({ examples }) => examples.length).sort((one, another) => rank(one) - rank(another));
}

/**
 * The activation that is shaded fully: the feature's largest on the side of the example, so that weaker texts look
 * weaker. What an example holds is enough where the extremes are not known.
 */
export function fullShade({ minimum, maximum }: FeatureDetails, example: Example): number {
  const extreme = example.peak < 0 ? minimum : maximum;
  return Math.max(Math.abs(extreme ?? 0), Math.abs(example.peak)) || 1;
}

/** From 0 to 1; faint activations leave no shade, so that the ones that count stand out. */
export function shade(activation: number, full: number): number {
  const share = Math.min(1, Math.abs(activation) / full);
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
export function holds(details: FeatureDetails, label: string, words: readonly string[]): string | null {
  const texts = details.groups.flatMap(({ examples }) => examples.map(({ tokens }) => tokens.join("")));
  const tokens = [...details.top_outputs, ...details.strongest_tokens].map(({ text }) => text.trim());
  const pieces = [label, tokens.slice(0, 8).join(", "), ...texts].map((piece) => piece.trim());
  const all = [label, ...tokens, ...texts].join("\n").toLowerCase();
  if (!words.every((word) => all.includes(word.toLowerCase()))) return null;
  const held = (piece: string) =>
    words.filter((word) => piece.toLowerCase().includes(word.toLowerCase())).length;
  return pieces.reduce((best, piece) => (held(piece) > held(best) ? piece : best));
}
