/** What the tables of a comparison list, and in which order. */

import type { Comparison } from "../api/types.ts";
import type { Both } from "./token_alignment.ts";
import { told, type Side, type Told } from "./compared_graph.ts";

/** A node in one graph or in both. */
export interface NodeRow {
  nodes: Both<Told | null>;
  influence: Both<number | null>;
  activation: Both<number | null>;
}

export interface EdgeRow {
  source: Both<Told>;
  target: Both<Told>;
  weight: Both<number>;
}

export type Which = "both" | "left" | "right" | "edges";
export type Sorting = "change" | "influence" | "activation" | "layer";

export interface Rows {
  both: NodeRow[];
  left: NodeRow[];
  right: NodeRow[];
  edges: EdgeRow[];
}

export function rowsOf(comparison: Comparison, left: Side, right: Side): Rows {
  const alone = (node: Told, place: 0 | 1): NodeRow => {
    const put = <T>(value: T): Both<T | null> => (place === 0 ? [value, null] : [null, value]);
    return { nodes: put(node), influence: put(node.influence), activation: put(node.activation) };
  };
  return {
    both: comparison.nodes.map(({ left: one, right: other, influence, activation }) => {
      const nodes: Both<Told> = [told(left, one), told(right, other)];
      return { nodes, influence, activation };
    }),
    left: comparison.only_left.map((id) => alone(told(left, id), 0)),
    right: comparison.only_right.map((id) => alone(told(right, id), 1)),
    edges: comparison.edges.map(({ source, target, weight }) => ({
      source: [told(left, source[0]), told(right, source[1])],
      target: [told(left, target[0]), told(right, target[1])],
      weight,
    })),
  };
}

export const nodeOf = ({ nodes }: NodeRow): Told => (nodes[0] ?? nodes[1])!;
export const changeOf = ([left, right]: Both<number | null>): number => (right ?? 0) - (left ?? 0);
const mostOf = ([left, right]: Both<number | null>): number =>
  Math.max(Math.abs(left ?? 0), Math.abs(right ?? 0));

const KEY: Record<Sorting, (row: NodeRow) => number> = {
  change: ({ influence }) => -Math.abs(changeOf(influence)),
  influence: ({ influence }) => -mostOf(influence),
  activation: ({ activation }) => -Math.abs(changeOf(activation)),
  layer: (row) => nodeOf(row).layer,
};

const says = (node: Told | null, word: string): boolean =>
  node !== null &&
  (node.name.toLowerCase().includes(word) ||
    (node.label?.toLowerCase().includes(word) ?? false) ||
    node.writes.some((text) => text.toLowerCase().includes(word)));

export function chosenNodes(
  rows: readonly NodeRow[],
  query: string,
  kind: number | null,
  by: Sorting,
): NodeRow[] {
  const word = query.trim().toLowerCase();
  return rows
    .filter((row) => kind === null || nodeOf(row).kind === kind)
    .filter(({ nodes }) => !word || nodes.some((node) => says(node, word)))
    .toSorted((one, other) => KEY[by](one) - KEY[by](other));
}

export function chosenEdges(rows: readonly EdgeRow[], query: string): EdgeRow[] {
  const word = query.trim().toLowerCase();
  return rows.filter(
    ({ source, target }) => !word || [...source, ...target].some((node) => says(node, word)),
  );
}
