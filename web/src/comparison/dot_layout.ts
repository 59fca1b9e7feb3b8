/** Places of the dots: both graphs share one layout, so that a node in both stands at the same place. */

import type { ComparisonAnswer } from "../api/types.ts";
import { comparedNode, type ComparedGraph, type ComparedNode } from "./compared_graph.ts";
import type { Column } from "./token_alignment.ts";

export interface Dot {
  /** Column, with the place inside it as a fraction. */
  x: number;
  /** Layer: -1 of tokens, the number of layers of outputs. */
  y: number;
  left: ComparedNode | null;
  right: ComparedNode | null;
}

/** Distance of neighbours in one column and layer, in column widths, where there is room. */
const STEP = 0.14;
/** Width that they may take together, in column widths. */
const WIDTH = 0.84;

export function placeDots(
  comparison: ComparisonAnswer,
  left: ComparedGraph,
  right: ComparedGraph,
  columns: readonly Column[],
): Dot[] {
  const columnOf = {
    left: new Map(columns.map((column, place) => [column.left, place])),
    right: new Map(columns.map((column, place) => [column.right, place])),
  };
  const cells = new Map<string, Dot[]>();
  const add = (one: ComparedNode | null, other: ComparedNode | null) => {
    const column = one ? columnOf.left.get(one.position) : columnOf.right.get(other!.position);
    if (column === undefined) return;
    const dot = { x: column, y: (one ?? other)!.layer, left: one, right: other };
    const key = `${column} ${dot.y}`;
    const cell = cells.get(key);
    if (cell) cell.push(dot);
    else cells.set(key, [dot]);
  };
  for (const pair of comparison.nodes) add(comparedNode(left, pair.left), comparedNode(right, pair.right));
  const paired = [comparison.nodes.map(({ left }) => left), comparison.nodes.map(({ right }) => right)];
  const elsewhere = [
    comparison.elsewhere.map(({ left }) => left),
    comparison.elsewhere.map(({ right }) => right),
  ];
  const moved = [0, 1].map((side) => {
    const known = new Set(paired[side]);
    return [...new Set(elsewhere[side])].filter((id) => !known.has(id));
  });
  for (const id of moved[0]) add(comparedNode(left, id), null);
  for (const id of moved[1]) add(null, comparedNode(right, id));
  for (const id of comparison.only_left) add(comparedNode(left, id), null);
  for (const id of comparison.only_right) add(null, comparedNode(right, id));
  return [...cells.values()].flatMap(spread);
}

/** The most influential in the middle, the others on both sides of it. */
function spread(cell: Dot[]): Dot[] {
  const step = Math.min(STEP, WIDTH / cell.length);
  return cell
    .toSorted((one, other) => influenceOf(other) - influenceOf(one))
    .map((dot, rank) => ({
      ...dot,
      x: dot.x + 0.5 + (rank % 2 ? 1 : -1) * Math.ceil(rank / 2) * step,
    }));
}

export const influenceOf = ({ left, right }: Dot): number =>
  Math.max(left?.influence ?? 0, right?.influence ?? 0);
