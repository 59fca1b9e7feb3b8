import { describe, expect, test } from "vitest";
import { ERROR, FEATURE, TARGET, TOKEN } from "../src/graph/graph.ts";
import { searchNodes } from "../src/graph/node_search.ts";
import { makeGraph } from "./support/random_graphs.ts";

const says = (...tokens: number[]) => [...tokens, ...new Array<number>(20 - tokens.length).fill(99)];

/** Influence falls with the node number. */
const graph = makeGraph({
  nodes: [
    { kind: FEATURE, layer: 3, position: 1, feature: 4031, activation: 4 },
    { kind: FEATURE, layer: 12, position: 1, feature: 4031, activation: 2.5 },
    { kind: FEATURE, layer: 12, position: 2, feature: 7, activation: -1 },
    { kind: FEATURE, layer: 12, position: 2, feature: -4, activation: 1 },
    { kind: ERROR, layer: 10, position: 2, feature: -1 },
    { kind: TOKEN, layer: -1, position: 1, feature: 50 },
    { kind: TOKEN, layer: -1, position: 2, feature: 51 },
    { kind: TARGET, layer: 14, position: 2, feature: 52, activation: 1 },
  ],
  edges: [],
  outputs: { 0: says(1, 2), 1: says(3) },
  info: {
    tokens: ["<s>", " France", " is"],
    targets: [{ text: " Paris", token_id: 52, weight: 1 }],
    token_text: { 1: " capital", 2: " Rome", 3: " city", 99: "-" },
  },
});
const labels: Record<number, string> = { 2: "a Capital of sorts" };
const search = (text: string) => searchNodes(graph, text, (node) => labels[node]);
const found = (text: string) => {
  const { nodes, problem } = search(text);
  expect(problem).toBe(null);
  return nodes;
};

describe("a search", () => {
  test.each<[string, number[]]>([
    ["capital", [0, 2]],
    ["capital rome", [0]],
    ['"capital of"', [2]],
    ["FRANCE", [5]],
    ["paris", [7]],
    ["layer:12", [1, 2, 3]],
    ["layer:10-12", [1, 2, 3, 4]],
    ["layer:10..12 kind:feature", [1, 2, 3]],
    ["layer>=12", [1, 2, 3]],
    ["layer<10", [0]],
    ["L12", [1, 2, 3]],
    ["L12/4031", [1]],
    ["l12/4031@1", [1]],
    ["L12/4031@2", []],
    ["A12/1", [3]],
    ["feature:4031", [0, 1]],
    ["pos:2", [2, 3, 4, 6, 7]],
    ["kind:error", [4]],
    ["error", [4]],
    ["kind:output", [7]],
    ["act>2.5", [0]],
    ["act>=2.5", [0, 1]],
    ["act<-0.5", [2]],
    ["act:-1", [2]],
    ["activation:-2-1", [2, 3]],
    ["influence>30%", [0, 1, 2]],
    ["influence>0.3 layer:12", [1, 2]],
    ['token:" France"', [0, 1, 5]],
    ['token:"France"', []],
    ["token:fran kind:token", [5]],
    ["token:paris", [7]],
    ["says:rome", [0]],
    ["promotes:rome", [0]],
    ['says:" Rome"', [0]],
    ['says:"Rome"', []],
    ["label:capital", [2]],
    ["12_7_2", [2]],
    ["", []],
    ["  ", []],
    ["nothing of the kind", []],
  ])("for %s", (text, nodes) => expect(found(text)).toEqual(nodes));

  test.each<[string, number[], string]>([
    ["colour:red", [], 'There is no search by "colour". Use layer, pos, feature'],
    ["kind:thing", [], 'There is no kind "thing"; use feature, error, token or output.'],
    ["layer:twelve", [], "twelve is not a number; write for example"],
    ["rome layer:", [0], "Write a value after layer:, for example layer:12."],
    ["act>", [], "Write a value after act>, for example act>2.5."],
    ["constructor:", [], 'There is no search by "constructor"'],
    ["constructor:x", [], 'There is no search by "constructor"'],
    ["kind:constructor", [], 'There is no kind "constructor"'],
    ["says>3", [], "> does not work with texts; write says: and the text."],
  ])("says what it did not understand of %s", (text, nodes, sentence) => {
    const { nodes: left, problem } = search(text);
    expect(left).toEqual(nodes);
    expect(problem).toContain(sentence);
  });
});
