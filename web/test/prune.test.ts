import { describe, expect, test } from "vitest";
import { smallestKept, smallestKeptOfSorted } from "../src/graph/influence_cutoff.ts";
import { ERROR, FEATURE, TARGET, TOKEN } from "../src/graph/graph.ts";
import { measureFlow } from "../src/graph/influence.ts";
import { prepare } from "../src/graph/prepared_graph.ts";
import { prune } from "../src/graph/prune.ts";
import { knowsWhatIsMissing, scoresOfPart } from "../src/graph/scores.ts";
import {
  denseInfluence,
  densePrune,
  denseScores,
  denseShares,
  denseWeights,
  sortedCutoff,
  weightOfTargets,
} from "./support/dense.ts";
import { generator, makeGraph, randomGraph } from "./support/random_graphs.ts";

const seeds = Array.from({ length: 30 }, (_, seed) => seed);
const sizeOf = (seed: number) => ({
  layers: 1 + (seed % 4),
  positions: 1 + (seed % 3),
  perCell: seed % 4,
  targets: 1 + (seed % 2),
  density: [0.2, 0.5, 1][seed % 3],
  inside: seed % 5 === 0,
  leftOut: seed % 7 === 0,
});
const thresholds = (seed: number) => [
  [0.3, 0.5, 0.8, 0.95, 1][seed % 5],
  [0.5, 0.8, 0.9, 0.98, 0.999, 1][seed % 6],
];
const asMatrix = (graph: ReturnType<typeof randomGraph>, edge: Uint8Array) =>
  denseWeights(graph).map((row, target) =>
    row.map((_, source) => {
      const into = graph.source.subarray(graph.offset[target], graph.offset[target + 1]);
      const at = into.indexOf(source);
      return at >= 0 && edge[graph.offset[target] + at] === 1;
    }),
  );

/** token -> feature -> target, with an error beside the feature and one feature that leads nowhere. */
const small = () =>
  makeGraph({
    nodes: [
      { kind: FEATURE, layer: 0, position: 0, feature: 5, activation: 1 },
      { kind: FEATURE, layer: 0, position: 0, feature: 9, activation: 1 },
      { kind: ERROR, layer: 0, position: 0, feature: -1 },
      { kind: TOKEN, layer: -1, position: 0, feature: 7 },
      { kind: TARGET, layer: 1, position: 0, feature: 8, activation: 1 },
    ],
    edges: [
      [3, 0, 2],
      [3, 1, 1],
      [0, 4, -3],
      [2, 4, 1],
    ],
  });

describe("influence", () => {
  test("of a small graph", () => {
    const { flow } = prepare(small());
    expect(Array.from(flow.influence)).toEqual([0.75, 0, 0.25, 0.75, 0]);
    expect(Array.from(flow.rowTotal)).toEqual([2, 1, 0, 0, 4]);
  });

  test.each(seeds)("is the sum of the powers of the shares (seed %i)", (seed) => {
    const graph = randomGraph(seed, sizeOf(seed));
    const expected = denseInfluence(denseShares(denseWeights(graph)), weightOfTargets(graph));
    prepare(graph).flow.influence.forEach((found, node) => expect(found).toBeCloseTo(expected[node], 12));
  });

  test.each(seeds)("of a part is that of the part as a graph of its own (seed %i)", (seed) => {
    const prepared = prepare(randomGraph(seed, sizeOf(seed)));
    const { graph } = prepared;
    const random = generator(seed);
    const node = graph.kind.map((kind) => (kind >= TOKEN || random() < 0.6 ? 1 : 0));
    const edge = new Uint8Array(graph.nEdges).map(() => (random() < 0.6 ? 1 : 0));
    const kept = asMatrix(graph, edge);
    const weights = denseWeights(graph).map((row, to) =>
      row.map((weight, from) => (node[to] && node[from] && kept[to][from] ? weight : 0)),
    );
    const expected = denseInfluence(denseShares(weights), weightOfTargets(graph));
    const flow = measureFlow(graph, prepared.order, prepared.targetWeight, { node, edge });
    flow.influence.forEach((found, which) => expect(found).toBeCloseTo(expected[which], 12));
  });
});

describe("the smallest set that reaches a share", () => {
  test("holds just enough", () => {
    const values = Float64Array.of(1, 5, 1.5, 2.5);
    const wanted: [number, number][] = [
      [0.5, 5],
      [0.6, 2.5],
      [0.75, 2.5],
      [0.76, 1.5],
      [1, 1],
    ];
    for (const [threshold, value] of wanted) {
      expect(smallestKept(values, threshold)).toBe(value);
      expect(smallestKeptOfSorted(Float64Array.of(5, 2.5, 1.5, 1), threshold)).toBe(value);
    }
    expect(smallestKept(new Float64Array(0), 0.5)).toBe(0);
    expect(smallestKept(new Float64Array(3), 0.5)).toBe(0);
    expect(smallestKept(Float64Array.of(0, -1, 2), 1)).toBe(2);
  });

  test.each(seeds)("is what a full sort gives (seed %i)", (seed) => {
    const random = generator(seed);
    const values = Float64Array.from({ length: 1000 }, () =>
      random() < 0.1 ? -1 : random() < 0.1 ? 0 : Math.exp(-20 * random()),
    );
    const counted = Array.from(values).filter((value) => value >= 0);
    for (const threshold of [0.001, 0.3, 0.8, 0.98, 0.9999, 1 - 2 ** -53, 1]) {
      const expected = sortedCutoff(counted, threshold);
      if (threshold < 1 && threshold > 0.99995)
        expect(smallestKept(values, threshold)).toBeLessThanOrEqual(sortedCutoff(counted, 0.9999));
      else expect(smallestKept(values, threshold)).toBe(expected);
    }
  });
});

describe("pruning", () => {
  test("keeps tokens, outputs and what carries the influence", () => {
    const { node, edge, counts, influenceLeftOut } = prune(prepare(small()), 0.8, 0.98);
    expect(Array.from(node)).toEqual([1, 0, 0, 1, 1]);
    expect(Array.from(edge)).toEqual([1, 0, 1, 0]);
    expect(counts).toEqual({ nodes: 3, features: 1, errors: 0, edges: 2 });
    expect(influenceLeftOut).toBeCloseTo(0.25 / 1.75);
  });

  test.each(seeds)("follows the published steps (seed %i)", (seed) => {
    const graph = randomGraph(seed, sizeOf(seed));
    const [nodeThreshold, edgeThreshold] = thresholds(seed);
    const { node, edge, counts } = prune(prepare(graph), nodeThreshold, edgeThreshold);
    const expected = densePrune(graph, nodeThreshold, edgeThreshold);
    expect(Array.from(node, Boolean)).toEqual(expected.node);
    expect(asMatrix(graph, edge)).toEqual(expected.edge);
    expect(counts.nodes).toBe(expected.node.filter(Boolean).length);
    expect(counts.edges).toBe(expected.edge.flat().filter(Boolean).length);
  });

  test("takes only thresholds above 0 and up to 1", () => {
    const prepared = prepare(small());
    expect(() => prune(prepared, 0, 1)).toThrow("The node threshold must be above 0 and at most 1, not 0.");
    expect(() => prune(prepared, 0.8, NaN)).toThrow(
      "The edge threshold must be above 0 and at most 1, not NaN.",
    );
  });

  test("a graph without outputs has nothing to prune by", () => {
    const prepared = prepare(randomGraph(1, { targets: 0 }));
    const pruned = prune(prepared, 0.8, 0.98);
    expect(pruned.influenceLeftOut).toBe(0);
    expect(scoresOfPart(prepared, pruned.node, pruned.edge)).toEqual({
      replacement: null,
      completeness: null,
    });
  });
});

describe("scores", () => {
  test("count what is left out as error", () => {
    const prepared = prepare(small());
    const everything = new Uint8Array(5).fill(1);
    // Three quarters reach the token, a quarter the error; four nodes are weighed: 1 + 0.75 + 0.75 + 0.25.
    expect(scoresOfPart(prepared, everything, null)).toEqual({
      replacement: 0.75,
      completeness: 1 - 0.25 / 2.75,
    });
    const withoutFeature = Uint8Array.of(0, 1, 1, 1, 1);
    // What the feature and the error wrote stands at one place: -3 + 1.
    expect(scoresOfPart(prepared, withoutFeature, null)).toEqual({ replacement: 0, completeness: 0.5 });
  });

  test.each(seeds)("of a part are those of a graph that never knew the rest (seed %i)", (seed) => {
    const graph = randomGraph(seed, { ...sizeOf(seed), perCell: 1 + (seed % 3), density: 0.8 });
    const prepared = prepare(graph);
    const random = generator(seed);
    const node = graph.kind.map((kind) => (kind >= TOKEN || random() < 0.6 ? 1 : 0));
    const edge = new Uint8Array(graph.nEdges).map(() => (random() < 0.8 ? 1 : 0));
    for (const mask of [null, edge]) {
      const found = scoresOfPart(prepared, node, mask);
      const expected = denseScores(graph, Array.from(node, Boolean), mask && asMatrix(graph, mask));
      expect(found.replacement).toBeCloseTo(expected.replacement, 12);
      expect(found.completeness).toBeCloseTo(expected.completeness, 12);
    }
  });

  test("take what pruning of the file left out in place of the edges from errors", () => {
    const given = {
      nodes: [
        { kind: ERROR, layer: 0, position: 0, feature: -1 },
        { kind: TOKEN, layer: -1, position: 0, feature: 7 },
        { kind: TARGET, layer: 1, position: 0, feature: 8, activation: 1 },
      ],
    };
    const graph = makeGraph({
      ...given,
      edges: [
        [0, 2, 1],
        [1, 2, 1],
      ],
      leftOut: [0, 0, 3],
    });
    const found = scoresOfPart(prepare(graph), new Uint8Array(3).fill(1), null);
    expect(found).toEqual({ replacement: 0.25, completeness: 1 - 0.75 / 2 });
  });

  test("are upper bounds where a pruned file does not say what it left out", () => {
    const nodes = [{ kind: TOKEN, layer: -1, position: 0, feature: 7 }];
    const info = { whole: { nodes: 5, features: 2, edges: 7 } };
    expect(knowsWhatIsMissing(makeGraph({ nodes, edges: [] }))).toBe(true);
    expect(knowsWhatIsMissing(makeGraph({ nodes, edges: [], info }))).toBe(false);
    expect(knowsWhatIsMissing(makeGraph({ nodes, edges: [], info, leftOut: [0] }))).toBe(true);
  });
});
