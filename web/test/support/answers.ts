/**
 * Answers of the page's mathematics to questions on graphs on disk, for the test that holds it to Python's.
 * Reads `Question`s as JSON from standard input and writes an answer for each to standard output.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { smallestKept, smallestKeptOfSorted } from "../../src/graph/influence_cutoff.ts";
import { inputsOf, outputsOf, type Neighbours } from "../../src/graph/neighbours.ts";
import { groupEdges, groupNumbers } from "../../src/graph/group_edges.ts";
import { nodeName, promoted } from "../../src/graph/node_names.ts";
import { notesOf } from "../../src/graph/notes.ts";
import { explainToken, strongestPaths } from "../../src/graph/paths.ts";
import { prepare, type Prepared } from "../../src/graph/prepared_graph.ts";
import { prune } from "../../src/graph/prune.ts";
import { readGraph } from "../../src/graph/read_graph.ts";
import { scoresOfPart } from "../../src/graph/scores.ts";

interface Question {
  file: string;
  /** For nodes and for edges. */
  thresholds: [number, number][];
  /** Shares of the influence that nodes are kept for. */
  shares: number[];
  /** Node indices by group, of the part that the first pair of thresholds keeps. */
  groups: number[][];
  /** A chosen part, as the indices of its nodes. */
  part: number[];
  sources: number[];
  target: number;
  count: number;
}

function answer(question: Question) {
  const bytes = readFileSync(question.file);
  const graph = readGraph(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const prepared = prepare(graph);
  const { sources, target, count } = question;
  return {
    ids: graph.ids,
    notes: notesOf(graph.info),
    names: graph.ids.map((_, node) => nodeName(graph, node)),
    promoted: graph.ids.map((_, node) => promoted(graph, node)),
    level: Array.from(prepared.level),
    influence: Array.from(prepared.flow.influence),
    inputShares: sharesOfEdges(prepared, inputsOf),
    outputShares: sharesOfEdges(prepared, outputsOf),
    cutoffs: question.shares.map((share) => smallestKept(prepared.flow.influence, share)),
    cutoffsOfSorted: question.shares.map((share) => smallestKeptOfSorted(prepared.sortedInfluence, share)),
    pruned: question.thresholds.map((pair) => prunedPart(prepared, ...pair)),
    groupEdges: edgesBetween(prepared, question),
    part: scoresOfPart(prepared, maskOf(graph.nNodes, question.part), null),
    explained: explainToken(prepared, target, { count }),
    paths: strongestPaths(prepared, { sources, targets: [target], count }),
  };
}

/** The share of each edge in what its target reads, as the lists of every node say it. */
function sharesOfEdges(prepared: Prepared, edgesOf: typeof inputsOf): number[] {
  const { nNodes, nEdges } = prepared.graph;
  const shares = new Array<number>(nEdges);
  for (let node = 0; node < nNodes; node++) {
    const { edges }: Neighbours = edgesOf(prepared, node, nEdges);
    for (const { edge, share } of edges) shares[edge] = share;
  }
  return shares;
}

function prunedPart(prepared: Prepared, nodeThreshold: number, edgeThreshold: number) {
  const { node, edge, counts, influenceLeftOut } = prune(prepared, nodeThreshold, edgeThreshold);
  const scores = scoresOfPart(prepared, node, edge);
  return { node: indices(node), edge: indices(edge), counts, influenceLeftOut, scores };
}

function edgesBetween(prepared: Prepared, { groups, thresholds }: Question) {
  const groupOf = groupNumbers(prepared.graph.nNodes, groups);
  return groupEdges(prepared, groupOf, groups.length, prune(prepared, ...thresholds[0])).edges;
}

const indices = (mask: Uint8Array): number[] => [...mask.keys()].filter((index) => mask[index] === 1);

function maskOf(length: number, chosen: number[]): Uint8Array {
  const mask = new Uint8Array(length);
  for (const index of chosen) mask[index] = 1;
  return mask;
}

const questions = JSON.parse(readFileSync(0, "utf8")) as Question[];
writeFileSync(1, JSON.stringify(questions.map(answer)));
