import { expect, test } from "vitest";
import { groupEdges, groupNumbers } from "../src/graph/group_edges.ts";
import { prepare } from "../src/graph/prepared_graph.ts";
import { denseFlow, denseInfluence, denseShares, denseWeights, weightOfTargets } from "./support/dense.ts";
import { generator, randomGraph } from "./support/random_graphs.ts";

const OUTSIDE = -1;

test.each([1, 2, 3, 4, 5, 6])("edges between groups are the sums over their members (seed %i)", (seed) => {
  const graph = randomGraph(seed, { density: 0.8, inside: seed > 4 });
  const random = generator(seed);
  const groupOf = new Int32Array(graph.nNodes).map(() => Math.floor(random() * 4) - 1);
  const node = new Uint8Array(graph.nNodes).map(() => (random() < 0.9 ? 1 : 0));
  for (const mask of [undefined, { node, edge: null }]) {
    const weights = denseWeights(graph).map((row, to) =>
      row.map((weight, from) => (!mask || (node[to] && node[from]) ? weight : 0)),
    );
    const start = weightOfTargets(graph);
    const flow = denseFlow(weights, start);
    const everything = denseInfluence(denseShares(weights), start).reduce((sum, found) => sum + found, 0);
    const sum = (source: number, target: number) => {
      const total = { carried: 0, effect: 0, count: 0 };
      flow.forEach((row, to) =>
        row.forEach((carried, from) => {
          if (groupOf[to] !== target || groupOf[from] !== source || weights[to][from] === 0) return;
          total.carried += carried / everything;
          total.effect +=
            (carried / everything) * Math.sign(weights[to][from]) * (graph.activation[to] < 0 ? -1 : 1);
          total.count++;
        }),
      );
      return total;
    };
    const found = groupEdges(prepare(graph), groupOf, 3, mask);
    const expectSum = (own: (typeof found.fromOutside)[number], source: number, target: number) => {
      const expected = sum(source, target);
      expect(own.carried).toBeCloseTo(expected.carried, 12);
      expect(own.effect).toBeCloseTo(expected.effect, 12);
      expect(own.count).toBe(expected.count);
    };
    for (const group of [0, 1, 2]) {
      expectSum(found.fromOutside[group], OUTSIDE, group);
      expectSum(found.toOutside[group], group, OUTSIDE);
      const into = found.edges.filter((edge) => edge.target === group);
      const inflow = [OUTSIDE, 0, 1, 2]
        .filter((source) => source !== group)
        .reduce((total, source) => total + sum(source, group).carried, 0);
      expect(into.length).toBe(
        [0, 1, 2].filter((from) => from !== group && sum(from, group).carried > 0).length,
      );
      for (const edge of into) {
        expectSum(edge, edge.source, group);
        expect(edge.share).toBeCloseTo(edge.carried / inflow, 12);
      }
    }
    const carried = found.edges.map((edge) => edge.carried);
    expect(carried).toEqual(carried.slice().sort((a, b) => b - a));
  }
});

test("groups are numbered in their order", () => {
  expect(Array.from(groupNumbers(5, [[3], [0, 1]]))).toEqual([1, 1, -1, 0, -1]);
});
