/** Rows of the comparison's tables: nodes and edges, filtered and sorted. */

import type { ComparisonAnswer } from "../api/types.ts";
import { comparedNode, type ComparedGraph, type ComparedNode, type Side } from "./compared_graph.ts";
import type { Both } from "./token_alignment.ts";

/** A node in one graph or in both. */
export interface NodeRow {
  nodes: Both<ComparedNode | null>;
  influence: Both<number | null>;
  activation: Both<number | null>;
}

export interface EdgeRow {
  source: Both<ComparedNode>;
  target: Both<ComparedNode>;
  weight: Both<number>;
}

export type Table = "both" | "elsewhere" | Side | "edges";
export type Sorting = "change" | "influence" | "activation" | "layer";

export interface Rows {
  both: NodeRow[];
  /** Features of both graphs, at positions that do not correspond. */
  elsewhere: NodeRow[];
  left: NodeRow[];
  right: NodeRow[];
  edges: EdgeRow[];
}

export function rowsOf(comparison: ComparisonAnswer, left: ComparedGraph, right: ComparedGraph): Rows {
  const alone = (node: ComparedNode, place: 0 | 1): NodeRow => {
    const put = <T>(value: T): Both<T | null> => (place === 0 ? [value, null] : [null, value]);
    return { nodes: put(node), influence: put(node.influence), activation: put(node.activation) };
  };
  const pair = ({ left: one, right: other, influence, activation }: ComparisonAnswer["nodes"][number]) => {
    const nodes: Both<ComparedNode> = [comparedNode(left, one), comparedNode(right, other)];
    return { nodes, influence, activation };
  };
  return {
    both: comparison.nodes.map(pair),
    elsewhere: comparison.elsewhere.map(pair),
    left: comparison.only_left.map((id) => alone(comparedNode(left, id), 0)),
    right: comparison.only_right.map((id) => alone(comparedNode(right, id), 1)),
    edges: comparison.edges.map(({ source, target, weight }) => ({
      source: [comparedNode(left, source[0]), comparedNode(right, source[1])],
      target: [comparedNode(left, target[0]), comparedNode(right, target[1])],
      weight,
    })),
  };
}

/** The node on either side: name, kind and layer are the same on both. */
export const nodeOf = ({ nodes }: NodeRow): ComparedNode => (nodes[0] ?? nodes[1])!;
export const changeOf = ([left, right]: Both<number | null>): number => (right ?? 0) - (left ?? 0);
const mostOf = ([left, right]: Both<number | null>): number =>
  Math.max(Math.abs(left ?? 0), Math.abs(right ?? 0));

const KEY: Record<Sorting, (row: NodeRow) => number> = {
  change: ({ influence }) => -Math.abs(changeOf(influence)),
  influence: ({ influence }) => -mostOf(influence),
  activation: ({ activation }) => -Math.abs(changeOf(activation)),
  layer: (row) => nodeOf(row).layer,
};

const matches = (node: ComparedNode | null, word: string): boolean =>
  node !== null &&
  (node.name.toLowerCase().includes(word) ||
    (node.label?.toLowerCase().includes(word) ?? false) ||
    node.promoted.some((text) => text.toLowerCase().includes(word)));

export function chosenNodes(
  rows: readonly NodeRow[],
  query: string,
  kind: number | null,
  by: Sorting,
): NodeRow[] {
  const word = query.trim().toLowerCase();
  return rows
    .filter((row) => kind === null || nodeOf(row).kind === kind)
    .filter(({ nodes }) => !word || nodes.some((node) => matches(node, word)))
    .toSorted((one, other) => KEY[by](one) - KEY[by](other));
}

export function chosenEdges(rows: readonly EdgeRow[], query: string): EdgeRow[] {
  const word = query.trim().toLowerCase();
  return rows.filter(
    ({ source, target }) => !word || [...source, ...target].some((node) => matches(node, word)),
  );
}
