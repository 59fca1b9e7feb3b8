/** Find nodes by what a person types; see `search_query.ts` for the language. */

import { ERROR, FEATURE, TARGET, targetOf, TOKEN, type Graph } from "./graph.ts";
import { strongestFirst } from "./influence.ts";
import { nodeName, promoted } from "./node_names.ts";
import { readQuery, type KindName, type NumberKey, type Term } from "./search_query.ts";

export interface SearchResult {
  /** Most influential first. */
  readonly nodes: number[];
  /** The free words of the search, which example texts may hold as well. */
  readonly words: string[];
  /** Nodes of features that meet all terms but the words; empty without words. */
  readonly features: number[];
  /** A sentence on a term that was not understood and is ignored, or null. */
  readonly problem: string | null;
}

/** Nodes that meet every term that was understood; none without such a term. */
export function searchNodes(
  graph: Graph,
  text: string,
  labelOf: (node: number) => string | null | undefined,
): SearchResult {
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
      const matches = contains(term.text);
      return (node) =>
        matches(label(node)) ||
        matches(nodeName(graph, node)) ||
        matches(ownToken(graph, node)) ||
        promoted(graph, node).some(matches) ||
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
      if (term.key === "promotes") return (node) => promoted(graph, node).some(matches);
      return (node) => matches(tokenAt(graph, node));
    }
  }
}

/** A test for texts that contain another, whatever the case. */
function contains(wanted: string): (text: string) => boolean {
  const lower = wanted.toLowerCase();
  return (text) => text.toLowerCase().includes(lower);
}

/** The token of a token node or an output. */
function ownToken(graph: Graph, node: number): string {
  if (graph.kind[node] === TOKEN) return graph.info.tokens[graph.position[node]];
  return graph.kind[node] === TARGET ? targetOf(graph, node).text : "";
}

/** The token of an output, or the prompt's token at the position of another node. */
const tokenAt = (graph: Graph, node: number): string =>
  graph.kind[node] === TARGET ? ownToken(graph, node) : graph.info.tokens[graph.position[node]];

function nameTest(graph: Graph, term: Extract<Term, { what: "name" }>): Test {
  return (node) => {
    const kind = graph.kind[node];
    if (kind >= TOKEN || graph.layer[node] !== term.layer) return false;
    if (term.position !== null && graph.position[node] !== term.position) return false;
    return term.index === null || (kind === FEATURE && graph.feature[node] === term.index);
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

/** A number of each node; NaN, which meets no comparison, where a node has no such number. */
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
