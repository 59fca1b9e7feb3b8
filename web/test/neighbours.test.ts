import { describe, expect, test } from "vitest";
import { inputsOf, outputsOf } from "../src/graph/neighbours.ts";
import { prepare } from "../src/graph/prepared_graph.ts";
import { denseShares, denseWeights } from "./support/dense.ts";
import { randomGraph } from "./support/random_graphs.ts";

const seeds = [1, 2, 3, 4, 5];

describe("neighbours", () => {
  test.each(seeds)("are the edges of a node, strongest first (seed %i)", (seed) => {
    const graph = randomGraph(seed, { density: 0.8 });
    const prepared = prepare(graph);
    const weights = denseWeights(graph);
    const shares = denseShares(weights);
    for (let node = 0; node < graph.nNodes; node++) {
      const inputs = inputsOf(prepared, node, 4);
      const row = weights[node].filter((weight) => weight !== 0).map(Math.abs);
      row.sort((a, b) => b - a);
      expect(inputs.edges.map((edge) => Math.abs(edge.weight))).toEqual(row.slice(0, 4));
      expect(inputs.rest.count).toBe(Math.max(0, row.length - 4));
      expect(inputs.rest.weight).toBeCloseTo(row.slice(4).reduce((sum, weight) => sum + weight, 0));
      for (const edge of inputs.edges) {
        expect(edge.weight).toBe(weights[node][edge.node]);
        expect(edge.share).toBeCloseTo(shares[node][edge.node]);
      }
      const outputs = outputsOf(prepared, node, 1e6);
      expect(outputs.edges.length).toBe(weights.filter((into) => into[node] !== 0).length);
      for (const edge of outputs.edges) {
        expect(edge.weight).toBe(weights[edge.node][node]);
        expect(graph.weight[edge.edge]).toBe(edge.weight);
        expect(edge.share).toBeCloseTo(shares[edge.node][node]);
      }
    }
  });

  test("outside the mask are counted apart, and shares stay those of the whole input", () => {
    const graph = randomGraph(7, { density: 1 });
    const prepared = prepare(graph);
    const target = graph.nNodes - 1;
    const all = inputsOf(prepared, target, 1000);
    const [first, second] = all.edges;
    const mask = { node: new Uint8Array(graph.nNodes).fill(1), edge: new Uint8Array(graph.nEdges).fill(1) };
    mask.node[first.node] = 0;
    mask.edge[second.edge] = 0;
    const shown = inputsOf(prepared, target, 1, mask);
    expect(shown.edges).toEqual([all.edges[2]]);
    expect(shown.rest.count).toBe(all.edges.length - 3);
    expect(shown.hidden.count).toBe(2);
    expect(shown.hidden.weight).toBeCloseTo(Math.abs(first.weight) + Math.abs(second.weight));
    expect(outputsOf(prepared, second.node, 1000, mask).edges.some((edge) => edge.node === target)).toBe(
      false,
    );
  });
});
