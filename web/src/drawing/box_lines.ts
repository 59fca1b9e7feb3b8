/** Lines between boxes: which ones are drawn, how strong, and where their weights are written. */

import { percent } from "../format/numbers.ts";
import type { GroupEdge } from "../graph/group_edges.ts";
import { DETAIL, type PlacedBox } from "./box_layout.ts";
import { pointOn, routeCurves, type Curve, type Rectangle } from "./curves.ts";
import type { Measure } from "./text_measure.ts";

export interface Line {
  edge: GroupEdge;
  curve: Curve;
  width: number;
  opacity: number;
  /** The signed share of its target's input, and where it is written; null where there is no room. */
  weight: { text: string; x: number; y: number } | null;
}

const MOST_LINES = 60;
/** Smallest edge drawn while no box is active, as a share of the strongest edge's influence. */
const LEAST_CARRIED = 0.05;
/** Smallest edge drawn otherwise, as a share of its target's input. */
const LEAST_SHARE = 0.002;
/** Places along a curve where its weight may stand, the best first. */
const ALONG = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82];
const WEIGHT_HEIGHT = 14;

/** The edges to draw, the strongest last: those of the active box, or the strongest of all. */
export function drawnEdges(edges: readonly GroupEdge[], active: number): GroupEdge[] {
  const most = edges[0]?.carried ?? 0;
  const first = strongestOfBoxes(edges);
  const isDrawn = (edge: GroupEdge): boolean =>
    active < 0
      ? edge.carried >= LEAST_CARRIED * most || (first.has(edge) && edge.share >= LEAST_SHARE)
      : (edge.source === active || edge.target === active) && edge.share >= LEAST_SHARE;
  return edges.filter(isDrawn).slice(0, MOST_LINES).reverse();
}

/** The strongest edge into and out of each box, so that every box has a line. */
function strongestOfBoxes(edges: readonly GroupEdge[]): Set<GroupEdge> {
  const strongest = new Set<GroupEdge>();
  for (const end of ["source", "target"] as const) {
    const seen = new Set<number>();
    for (const edge of edges) {
      if (!seen.has(edge[end])) strongest.add(edge);
      seen.add(edge[end]);
    }
  }
  return strongest;
}

/** Curves and strengths of edges, and their weights where `measure` is given. */
export function linesOf(
  placed: readonly PlacedBox[],
  edges: readonly GroupEdge[],
  { most, isActive, measure }: { most: number; isActive: boolean; measure?: Measure | undefined },
): Line[] {
  const sizes = edges.map(({ carried }) => Math.sqrt(Math.min(1, carried / (most || 1))));
  const widthOf = (line: number) => 0.7 + 3.6 * sizes[line];
  const curves = routeCurves(placed, edges, widthOf);
  const lines = edges.map((edge, place): Line => {
    const size = sizes[place];
    return {
      edge,
      curve: curves[place],
      width: widthOf(place),
      opacity: isActive ? 0.45 + 0.5 * size : 0.3 + 0.45 * size,
      weight: null,
    };
  });
  if (!measure) return lines;
  const taken: Rectangle[] = [...placed, ...curves.map(headRoom)];
  for (const line of [...lines].reverse()) {
    const text = signedShare(line.edge);
    const size = { width: measure(text, DETAIL) + 4, height: WEIGHT_HEIGHT };
    const free = ALONG.map((t) => pointOn(line.curve, t)).find(
      ([x, y]) => !taken.some((other) => covers(other, { x, y, ...size })),
    );
    if (!free) continue;
    const [x, y] = free;
    taken.push({ x, y, ...size });
    line.weight = { text, x, y };
  }
  return lines;
}

/** The room of an arrowhead. */
const headRoom = ({ head: [[x, tip], [left, base], [right]] }: Curve): Rectangle => ({
  x,
  y: (tip + base) / 2,
  width: right - left,
  height: Math.abs(tip - base),
});

const covers = (one: Rectangle, other: Rectangle): boolean =>
  Math.abs(one.x - other.x) < (one.width + other.width) / 2 &&
  Math.abs(one.y - other.y) < (one.height + other.height) / 2;

/** `+23 %`: the share of its target's input, with the sign of its effect. */
export const signedShare = ({ share, effect }: GroupEdge): string =>
  `${effect < 0 ? "−" : "+"}${percent(share)}`;
