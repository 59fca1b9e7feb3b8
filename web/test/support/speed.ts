/**
 * What a change of the thresholds costs on a graph of 5,000 nodes and 500,000 edges.
 *
 *     node test/support/speed.ts      (Node 22.18 or later, which reads TypeScript)
 */

import { ERROR, FEATURE, TARGET, TOKEN, type Graph } from "../../src/graph/graph.ts";
import { prepare } from "../../src/graph/prepared_graph.ts";
import { prune } from "../../src/graph/prune.ts";
import { groupEdges } from "../../src/graph/group_edges.ts";
import { inputsOf } from "../../src/graph/neighbours.ts";
import { explainToken } from "../../src/graph/paths.ts";
import { searchNodes } from "../../src/graph/node_search.ts";
import { scoresOfPart } from "../../src/graph/scores.ts";
import { generator, makeGraph, type EdgeGiven, type NodeGiven } from "./random_graphs.ts";

const LAYERS = 26;
const POSITIONS = 20;

/** Edges of very different weight, as in real graphs: a few carry most. */
function largeGraph(nNodes: number, nEdges: number): Graph {
  const random = generator(1);
  const place = () => [Math.floor(random() * LAYERS), Math.floor(random() * POSITIONS)];
  const features = Array.from({ length: nNodes - LAYERS * POSITIONS - POSITIONS - 10 }, place);
  features.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const nodes: NodeGiven[] = features.map(([layer, position], feature) => ({
    kind: FEATURE,
    layer,
    position,
    feature,
    activation: 1,
  }));
  for (let cell = 0; cell < LAYERS * POSITIONS; cell++)
    nodes.push({ kind: ERROR, layer: Math.floor(cell / POSITIONS), position: cell % POSITIONS, feature: -1 });
  for (let position = 0; position < POSITIONS; position++)
    nodes.push({ kind: TOKEN, layer: -1, position, feature: position });
  for (let feature = 0; feature < 10; feature++)
    nodes.push({ kind: TARGET, layer: LAYERS, position: POSITIONS - 1, feature, activation: 0.1 });
  const chosen = new Set<number>();
  const edges: EdgeGiven[] = [];
  while (edges.length < nEdges) {
    const source = Math.floor(random() * nNodes);
    const target = random() < 0.05 ? nNodes - 1 - Math.floor(random() * 10) : Math.floor(random() * nNodes);
    const [from, to] = [nodes[source], nodes[target]];
    if (to.kind === ERROR || from.layer >= to.layer || from.position > to.position) continue;
    if (chosen.size === chosen.add(source * nNodes + target).size) continue;
    edges.push([source, target, (random() < 0.4 ? -1 : 1) * Math.exp(-12 * random())]);
  }
  const tokens = Array.from({ length: 20 }, (_, token) => token);
  return makeGraph({
    nodes,
    edges,
    outputs: Object.fromEntries(features.map((_, node) => [node, tokens])),
    info: { token_text: Object.fromEntries(tokens.map((token) => [token, ` word${token}`])) },
  });
}

function time(what: string, run: (turn: number) => unknown, turns = 40): void {
  const taken = Array.from({ length: turns }, (_, turn) => {
    const begin = performance.now();
    run(turn);
    return performance.now() - begin;
  });
  const [first, sorted] = [taken[0], taken.slice().sort((a, b) => a - b)];
  const say = (value: number) => `${value.toFixed(1).padStart(7)} ms`;
  console.log(
    `${what.padEnd(44)} first ${say(first)}  median ${say(sorted[turns >> 1])}  worst ${say(sorted[turns - 1])}`,
  );
}

const graph = largeGraph(5_000, 500_000);
const prepared = prepare(graph);
const nodeThreshold = (turn: number) => 0.5 + (turn % 20) / 40;
const masks = Array.from({ length: 20 }, (_, turn) => prune(prepared, nodeThreshold(turn), 0.98));
const everything = new Uint8Array(graph.nNodes).fill(1);

console.log(`${graph.nNodes} nodes, ${graph.nEdges} edges, ${process.version}`);
time("prepare", () => prepare(graph));
time("prune, nodes 0.5 to 0.975, edges 0.98", (turn) => prune(prepared, nodeThreshold(turn), 0.98));
time("scores of what is shown", (turn) => {
  const { node, edge } = masks[turn % masks.length];
  return scoresOfPart(prepared, node, edge);
});
time("both: a change of a threshold", (turn) => {
  const { node, edge } = prune(prepared, nodeThreshold(turn), 0.98);
  return scoresOfPart(prepared, node, edge);
});
time("both, everything kept", () => {
  const { node, edge } = prune(prepared, 1, 1);
  return scoresOfPart(prepared, node, edge);
});
time("scores of all nodes", () => scoresOfPart(prepared, everything, null));
time("the 20 strongest paths from all tokens", () => explainToken(prepared, graph.nNodes - 1, { count: 20 }));
time("the same within what is shown", (turn) =>
  explainToken(prepared, graph.nNodes - 1, { count: 20, mask: masks[turn % masks.length] }),
);
time("inputs of an output", () => inputsOf(prepared, graph.nNodes - 1));
const groupOf = new Int32Array(graph.nNodes).map((_, node) => (node % 40) - 28);
time("edges between 12 groups", () => groupEdges(prepared, groupOf, 12));
time("a search for words", () => searchNodes(graph, "Paris layer:3-20", () => null));
