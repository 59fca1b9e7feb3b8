/** The lines of a story: which of its edges are drawn, and their curves with arrowheads. */

import type { GroupEdge } from "../api/types.ts";
import type { Placed } from "./story_layout.ts";

/** Edges between placed boxes, taken together where a box stands for several. */
export interface StoryLine {
  source: number;
  target: number;
  carried: number;
  effect: number;
  share: number;
}

/** Smallest line drawn while no box is active, as a share of the strongest. */
const LEAST_CARRIED = 0.12;
/** Smallest line of an active box, as a share of its target's input. */
const LEAST_SHARE = 0.004;
const MOST_LINES = 40;
/** Lines from a token straight to an output that are drawn while no box is active. */
const MOST_DIRECT = 4;

export function storyLines(placed: readonly Placed[], edges: readonly GroupEdge[]): StoryLine[] {
  const at = new Map<number, number>();
  placed.forEach(({ boxes, key }, place) => {
    // Of an unfolded token, edges go to the token itself.
    if (!key.endsWith("+")) for (const box of boxes) at.set(box.place, place);
  });
  const lines = new Map<string, StoryLine>();
  for (const edge of edges) {
    const [source, target] = [at.get(edge.source), at.get(edge.target)];
    if (source === undefined || target === undefined || source === target) continue;
    const key = `${source} ${target}`;
    const line = lines.get(key);
    if (!line) lines.set(key, { ...edge, source, target });
    else {
      line.carried += edge.carried;
      line.effect += edge.effect;
      line.share += edge.share;
    }
  }
  return [...lines.values()].sort((one, other) => other.carried - one.carried);
}

/** The lines on show: those of the active box, or the strongest of all and those that tie each step to the others. */
export function shownLines(
  placed: readonly Placed[],
  lines: readonly StoryLine[],
  active: number,
): StoryLine[] {
  if (active >= 0)
    return lines
      .filter(({ source, target, share }) => (source === active || target === active) && share >= LEAST_SHARE)
      .slice(0, MOST_LINES);
  const isTold = (place: number) => placed[place].role !== "fold" && placed[place].role !== "run";
  // What a token owes to the tokens before it is shown when it is asked for.
  const told = lines.filter(
    ({ source, target }) => isTold(source) && isTold(target) && placed[target].role !== "token",
  );
  const strongest = told[0]?.carried ?? 0;
  const wanted = new Set<StoryLine>();
  let direct = 0;
  const ins = new Map<number, number>();
  const outs = new Map<number, number>();
  for (const line of told) {
    const [into, out] = [ins.get(line.target) ?? 0, outs.get(line.source) ?? 0];
    const tiesStep =
      (placed[line.target].role === "step" && into < 2) || (placed[line.source].role === "step" && out < 1);
    const isDirect = placed[line.source].role === "token" && placed[line.target].role === "output";
    const isStrong = line.carried >= LEAST_CARRIED * strongest && (!isDirect || ++direct <= MOST_DIRECT);
    if (tiesStep || isStrong) wanted.add(line);
    ins.set(line.target, into + 1);
    outs.set(line.source, out + 1);
  }
  return [...wanted].slice(0, MOST_LINES);
}

/** The width of a line (pixels) by its strength, from 0 to 1. */
export const widthOf = (strength: number): number => 0.8 + 3.7 * strength;

/** The lines from each box of a path to the next; what lies between two of them may have no name. */
export const linesOnPath = (lines: readonly StoryLine[], path: readonly number[]): StoryLine[] =>
  path.slice(1).flatMap((target, place) => {
    const source = path[place];
    return lines.find((line) => line.source === source && line.target === target) ?? [];
  });
