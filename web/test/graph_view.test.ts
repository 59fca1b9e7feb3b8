/** The view that a graph opens with. */

import { describe, expect, test } from "vitest";
import { FIRST_VIEW } from "../src/app/address.ts";
import { GraphView } from "../src/open_graph/graph_view.svelte.ts";
import { UndoHistory } from "../src/open_graph/undo_history.svelte.ts";
import { ERROR, FEATURE, TARGET } from "../src/graph/graph.ts";
import { makeGraph, type GraphGiven } from "./support/random_graphs.ts";

const NODES = [
  { kind: FEATURE, layer: 0, position: 0, feature: 1, activation: 1 },
  { kind: TARGET, layer: 1, position: 0, feature: 7, activation: 1 },
];
const PRUNED = { whole: { nodes: 9, features: 5, edges: 12 } };
const STORED = { settings: { node_threshold: 0.6, edge_threshold: 0.9 } };

function opened(given: Partial<GraphGiven>, address = FIRST_VIEW): [number, number] {
  const graph = makeGraph({ nodes: NODES, edges: [[0, 1, 1]], ...given });
  const { nodeThreshold, edgeThreshold } = new GraphView(graph, new UndoHistory(), address);
  return [nodeThreshold, edgeThreshold];
}

describe("thresholds of the first view", () => {
  test("are those of the trace for a whole graph, as Graph.prune has them", () => {
    expect(opened({ total: [1, 1], info: STORED })).toEqual([0.6, 0.9]);
    expect(opened({ total: [1, 1] })).toEqual([0.8, 0.98]);
  });

  test.each([0, 1.5, "0.5", true, null, undefined])("are not %o, which is no threshold", (wrong) => {
    const settings = { node_threshold: wrong, edge_threshold: 1 };
    expect(opened({ total: [1, 1], info: { settings } })).toEqual([0.8, 1]);
  });

  test("show all of a graph that was pruned before, or that another tool made", () => {
    expect(opened({ info: { ...STORED, ...PRUNED } })).toEqual([1, 1]);
    expect(opened({ info: STORED })).toEqual([1, 1]);
  });

  test("hold a large graph of another tool within what can be read", () => {
    const many = Array.from({ length: 3000 }, () => ({ ...NODES[0], kind: ERROR }));
    const nodes = [...many, NODES[1]];
    expect(opened({ nodes, edges: [], info: STORED })).toEqual([0.6, 0.9]);
    expect(opened({ nodes, edges: [] })).toEqual([0.8, 0.98]);
  });

  test("give way to those of the address", () => {
    const address = { ...FIRST_VIEW, nodeThreshold: 0.3 };
    expect(opened({ total: [1, 1], info: STORED }, address)).toEqual([0.3, 0.9]);
  });
});
