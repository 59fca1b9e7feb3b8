/** Find nodes by what a person types; see `query.ts` for the language. */

import { ERROR, FEATURE, TARGET, TOKEN, type Graph } from "./graph.ts";
import { strongestFirst } from "./influence.ts";
import { nodeName, promoted, targetOf } from "./node_names.ts";
import { readQuery, type KindName, type NumberKey, type Term } from "./search_query.ts";

export interface Found {
  /** The most influential first. */
  readonly nodes: number[];
  /** The free words among the terms, which the texts of features may hold as well. */
  readonly words: string[];
  /** Where there are such words: the features' nodes that meet all other terms. */
  readonly features: number[];
  /** A sentence on what was not understood and left aside, or null. */
  readonly problem: string | null;
}

/** Nodes that meet every term; none where nothing was asked, or nothing of it understood. */
export function searchNodes(
  graph: Graph,
  text: string,
  labelOf: (node: number) => string | null | undefined,
): Found {
  const { terms, problem } = readQuery(text);
  if (terms.length === 0) return { nodes: [], words: [], features: [], problem };
  const meeting = (nodes: number[], wanted: readonly Term[]) => {
    const tests = wanted.map((term) => testOf(graph, term, labelOf));
    return nodes.filter((node) => tests.every((test) => test(node)));
  };
  const words = terms.filter((term) => term.what === "words");
  const filters = terms.filter((term) => term.what !== "words");
  const others = meeting(Array.from(strongestFirst(graph.influence)), filters);
  return {
    nodes: meeting(others, words),
    words: words.map(({ text }) => text),
    features: words.length ? others.filter((node) => graph.kind[node] === FEATURE) : [],
    problem,
  };
}

type Test = (node: number) => boolean;

const KIND_OF: Record<KindName, number> = { feature: FEATURE, error: ERROR, token: TOKEN, output: TARGET };

function testOf(graph: Graph, term: Term, labelOf: (node: number) => string | null | undefined): Test {
  const label = (node: number) => labelOf(node) ?? "";
  switch (term.what) {
    case "words": {
      const holds = contains(term.text);
      return (node) =>
        holds(label(node)) ||
        holds(nodeName(graph, node)) ||
        holds(ownToken(graph, node)) ||
        promoted(graph, node).some(holds) ||
        graph.ids[node] === term.text;
    }
    case "kind":
      return (node) => graph.kind[node] === KIND_OF[term.kind];
    case "name":
      return nameTest(graph, term);
    case "number":
      return numberTest(graph, term);
    case "text": {
      const matches = term.exact ? (text: string) => text === term.text : contains(term.text);
      if (term.key === "label") return (node) => matches(label(node));
      if (term.key === "says") return (node) => promoted(graph, node).some(matches);
      return (node) => matches(tokenAt(graph, node));
    }
  }
}

/** Whether a text holds another, whatever the case. */
function contains(wanted: string): (text: string) => boolean {
  const lower = wanted.toLowerCase();
  return (text) => text.toLowerCase().includes(lower);
}

/** The token that a token node or an output stands for. */
function ownToken(graph: Graph, node: number): string {
  if (graph.kind[node] === TOKEN) return graph.info.tokens[graph.position[node]];
  return graph.kind[node] === TARGET ? targetOf(graph, node).text : "";
}

/** The same, or the token of the prompt that a feature or error stands on. */
const tokenAt = (graph: Graph, node: number): string =>
  graph.kind[node] === TARGET ? ownToken(graph, node) : graph.info.tokens[graph.position[node]];

function nameTest(graph: Graph, term: Extract<Term, { what: "name" }>): Test {
  const index = term.index === null ? null : term.letter === "L" ? term.index : -2 * (term.index + 1);
  return (node) => {
    const kind = graph.kind[node];
    if (kind >= TOKEN || graph.layer[node] !== term.layer) return false;
    if (term.position !== null && graph.position[node] !== term.position) return false;
    return index === null || (kind === FEATURE && graph.feature[node] === index);
  };
}

function numberTest(graph: Graph, term: Extract<Term, { what: "number" }>): Test {
  const { least, most, open } = term;
  const valueOf = numberOf(graph, term.key);
  return (node) => {
    const value = valueOf(node);
    return open ? value > least && value < most : value >= least && value <= most;
  };
}

/** NaN, which meets no comparison, where a node has no such number. */
function numberOf(graph: Graph, key: NumberKey): (node: number) => number {
  const only = (most: number, values: ArrayLike<number>) => (node: number) =>
    graph.kind[node] <= most ? values[node] : NaN;
  switch (key) {
    case "layer":
      return only(ERROR, graph.layer);
    case "feature":
      return only(FEATURE, graph.feature);
    case "activation":
      return only(FEATURE, graph.activation);
    case "position":
      return only(TARGET, graph.position);
    case "influence":
      return only(TARGET, graph.influence);
  }
}
