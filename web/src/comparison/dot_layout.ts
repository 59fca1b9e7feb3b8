/** Where the nodes of both graphs stand in one frame, so that a node in both is at the same place in each. */

import type { Comparison } from "../api/types.ts";
import type { Column } from "./token_alignment.ts";
import type { Side, Told } from "./compared_graph.ts";
import { told } from "./compared_graph.ts";

export interface Dot {
  /** Column, with the place inside it. */
  x: number;
  /** Layer: -1 of tokens, the number of layers of outputs. */
  y: number;
  left: Told | null;
  right: Told | null;
}

/** Part of a column's width between neighbours in one place, where there is room. */
const STEP = 0.14;
const WIDTH = 0.84;

export function placeDots(
  comparison: Comparison,
  left: Side,
  right: Side,
  columns: readonly Column[],
): Dot[] {
  const columnOf = {
    left: new Map(columns.map((column, place) => [column.left, place])),
    right: new Map(columns.map((column, place) => [column.right, place])),
  };
  const cells = new Map<string, Dot[]>();
  const add = (one: Told | null, other: Told | null) => {
    const column = one ? columnOf.left.get(one.position) : columnOf.right.get(other!.position);
    if (column === undefined) return;
    const dot = { x: column, y: (one ?? other)!.layer, left: one, right: other };
    const key = `${column} ${dot.y}`;
    const cell = cells.get(key);
    if (cell) cell.push(dot);
    else cells.set(key, [dot]);
  };
  for (const pair of comparison.nodes) add(told(left, pair.left), told(right, pair.right));
  for (const id of comparison.only_left) add(told(left, id), null);
  for (const id of comparison.only_right) add(null, told(right, id));
  return [...cells.values()].flatMap(spread);
}

/** The most influential in the middle, the others to both sides of it. */
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
