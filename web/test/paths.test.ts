import { describe, expect, test } from "vitest";
import { FEATURE, TARGET, TOKEN, type Graph } from "../src/graph/graph.ts";
import { makeHeap } from "../src/graph/heap.ts";
import type { Mask } from "../src/graph/influence.ts";
import { explainToken, strongestPaths, type SignedPath } from "../src/graph/paths.ts";
import { prepare } from "../src/graph/prepared_graph.ts";
import { denseShares, denseWeights } from "./support/dense.ts";
import { generator, makeGraph, randomGraph } from "./support/random_graphs.ts";

/** Every path of at least one edge from any source up to any target, found one by one. */
function allPaths(graph: Graph, sources: number[], targets: number[], mask?: Mask): SignedPath[] {
  const weights = denseWeights(graph);
  const shares = denseShares(weights);
  const allowed = (target: number, source: number) => {
    if (weights[target][source] === 0) return false;
    if (!mask) return true;
    const at = graph.source.subarray(graph.offset[target], graph.offset[target + 1]).indexOf(source);
    return mask.node[source] === 1 && (!mask.edge || mask.edge[graph.offset[target] + at] === 1);
  };
  const found: SignedPath[] = [];
  const downward = (nodes: number[], share: number, sign: number) => {
    const lowest = nodes[0];
    if (nodes.length > 1 && sources.includes(lowest)) found.push({ nodes, share, sign: sign > 0 ? 1 : -1 });
    const turned = nodes.length > 1 && graph.activation[lowest] < 0 ? -sign : sign;
    weights[lowest].forEach((weight, below) => {
      if (allowed(lowest, below))
        downward([below, ...nodes], share * shares[lowest][below], turned * Math.sign(weight));
    });
  };
  for (const target of targets) if (!mask || mask.node[target] === 1) downward([target], 1, 1);
  return found.sort((left, right) => right.share - left.share);
}

function expectSame(found: SignedPath[], expected: SignedPath[]): void {
  expect(found.map((path) => path.nodes)).toEqual(expected.map((path) => path.nodes));
  expect(found.map((path) => path.sign)).toEqual(expected.map((path) => path.sign));
  found.forEach((path, index) => expect(path.share).toBeCloseTo(expected[index].share, 12));
}

/** token -> feature -> target and token -> target: the detour carries 2/3, and turns the sign. */
const chain = (activation = 1) =>
  makeGraph({
    nodes: [
      { kind: FEATURE, layer: 0, position: 0, feature: 5, activation },
      { kind: TOKEN, layer: -1, position: 0, feature: 7 },
      { kind: TARGET, layer: 1, position: 0, feature: 8, activation: 1 },
    ],
    edges: [
      [1, 0, 3],
      [0, 2, -2],
      [1, 2, 1],
    ],
  });

const seeds = Array.from({ length: 24 }, (_, seed) => seed);
const smallGraph = (seed: number) =>
  randomGraph(seed, {
    layers: 1 + (seed % 3),
    positions: 1 + (seed % 2),
    perCell: 1 + (seed % 2),
    density: [0.3, 0.6, 1][seed % 3],
    inside: seed % 4 === 0,
  });
const some = (graph: Graph, share: number, random: () => number) =>
  [...graph.kind.keys()].filter(() => random() < share);

describe("the strongest paths", () => {
  test("lead through a feature and past it", () => {
    const { paths, complete } = explainToken(prepare(chain()), 2);
    expect(complete).toBe(true);
    expectSame(paths, [
      { nodes: [1, 0, 2], share: 2 / 3, sign: -1 },
      { nodes: [1, 2], share: 1 / 3, sign: 1 },
    ]);
  });

  test("turn where a feature on the way is below zero", () => {
    expect(explainToken(prepare(chain(-1)), 2).paths[0].sign).toBe(1);
  });

  test.each(seeds)("are those of all paths, between any groups (seed %i)", (seed) => {
    const graph = smallGraph(seed);
    const random = generator(seed);
    const [sources, targets] = [some(graph, 0.3, random), some(graph, 0.2, random)];
    const { paths } = strongestPaths(prepare(graph), { sources, targets, count: 1e4 });
    expectSame(paths, allPaths(graph, sources, targets));
  });

  test.each(seeds)("stay within what is shown, and the first few are the strongest (seed %i)", (seed) => {
    const graph = smallGraph(seed);
    const random = generator(seed);
    const tokens = [...graph.kind.keys()].filter((node) => graph.kind[node] === TOKEN);
    const target = graph.nNodes - 1;
    const mask = {
      node: graph.kind.map((kind) => (kind >= TOKEN || random() < 0.7 ? 1 : 0)),
      edge: seed % 2 ? new Uint8Array(graph.nEdges).map(() => (random() < 0.7 ? 1 : 0)) : null,
    };
    const count = 1 + (seed % 7);
    const { paths } = explainToken(prepare(graph), target, { mask, count });
    expectSame(paths, allPaths(graph, tokens, [target], mask).slice(0, count));
  });

  test("are none where nothing leads", () => {
    const prepared = prepare(chain());
    expect(strongestPaths(prepared, { sources: [], targets: [2] }).paths).toEqual([]);
    expect(strongestPaths(prepared, { sources: [2], targets: [2] }).paths).toEqual([]);
    expect(strongestPaths(prepared, { sources: [2], targets: [1] }).paths).toEqual([]);
    expect(strongestPaths(prepared, { sources: [1], targets: [2], count: 0 }).paths).toEqual([]);
  });

  test("say when the search was stopped early", () => {
    const prepared = prepare(randomGraph(3, { density: 1 }));
    const search = { sources: [prepared.graph.nNodes - 3], targets: [prepared.graph.nNodes - 1], count: 50 };
    expect(strongestPaths(prepared, search).complete).toBe(true);
    const stopped = strongestPaths(prepared, { ...search, mostSteps: 20 });
    expect(stopped.complete).toBe(false);
    expect(stopped.paths.length).toBeLessThan(50);
  });

  test("are only sought between nodes that exist", () => {
    expect(() => strongestPaths(prepare(chain()), { sources: [3], targets: [2] })).toThrow(
      "Node 3 does not exist: the graph has nodes 0 to 2.",
    );
  });
});

test("a heap gives back in order", () => {
  const random = generator(5);
  const heap = makeHeap<number>((left, right) => left > right);
  const values = Array.from({ length: 500 }, random);
  values.forEach((value) => heap.push(value));
  expect(Array.from(values, () => heap.pop())).toEqual(values.slice().sort((a, b) => b - a));
  expect(heap.pop()).toBe(undefined);
});
