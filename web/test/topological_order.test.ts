import { describe, expect, test } from "vitest";
import { FEATURE, TARGET, TOKEN } from "../src/graph/graph.ts";
import { fromTheTop, topologicalLevels } from "../src/graph/topological_order.ts";
import { makeGraph, randomGraph, type EdgeGiven } from "./support/random_graphs.ts";

const withEdges = (edges: EdgeGiven[]) =>
  makeGraph({
    nodes: [
      ...[0, 1, 2].map((feature) => ({ kind: FEATURE, layer: 1, position: 0, feature, activation: 1 })),
      { kind: TOKEN, layer: -1, position: 0, feature: 7 },
      { kind: TARGET, layer: 2, position: 0, feature: 8, activation: 1 },
    ],
    edges,
  });

describe("levels", () => {
  test("are the layers where all edges go up them", () => {
    const graph = withEdges([
      [3, 0, 1],
      [0, 4, 1],
    ]);
    expect(Array.from(topologicalLevels(graph))).toEqual([2, 2, 2, 0, 3]);
  });

  test("are the lengths of the longest paths where an edge stays in its layer", () => {
    const graph = withEdges([
      [3, 0, 1],
      [0, 1, 1],
      [3, 1, 1],
      [1, 4, 1],
    ]);
    expect(Array.from(topologicalLevels(graph))).toEqual([1, 2, 0, 0, 3]);
  });

  test.each([1, 2, 3, 4])("let every edge go up (seed %i)", (seed) => {
    const graph = randomGraph(seed, { inside: seed % 2 === 0 });
    const level = topologicalLevels(graph);
    for (let target = 0; target < graph.nNodes; target++)
      for (const source of graph.source.subarray(graph.offset[target], graph.offset[target + 1]))
        expect(level[source]).toBeLessThan(level[target]);
    const order = fromTheTop(level);
    expect(Array.from(order).sort((a, b) => a - b)).toEqual([...graph.kind.keys()]);
    expect(Array.from(order, (node) => level[node])).toEqual(Array.from(level).sort((a, b) => b - a));
  });

  test("a cycle is named", () => {
    const graph = withEdges([
      [3, 0, 1],
      [0, 1, 1],
      [1, 2, 1],
      [2, 0, 1],
      [2, 4, 1],
    ]);
    expect(() => topologicalLevels(graph)).toThrow(
      "The edges 1_1_0 -> 1_2_0 -> 1_0_0 -> 1_1_0 form a cycle; " +
        "an attribution graph only leads from earlier to later computation.",
    );
  });
});
