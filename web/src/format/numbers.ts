/** A node as a sentence, for people who hear the page, and the numbers that stand beside nodes. */

import { ERROR, FEATURE, TARGET, TOKEN, type Graph } from "../graph/graph.ts";
import { featureName, nodeName, promoted, quote, targetOf } from "../graph/node_names.ts";

export const percent = (share: number): string => {
  const value = 100 * share;
  if (value !== 0 && Math.abs(value) < 0.1) return `${value < 0 ? "−" : ""}<0.1 %`;
  return `${signed(value, Math.abs(value) < 10 ? 1 : 0, false)} %`;
};

/** Three significant figures, as a paper would print them, with a true minus sign. */
export const number = (value: number): string => {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(1).replaceAll("-", "−");
  const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return signed(value, places, false);
};

export const signed = (value: number, places: number, plus = true): string =>
  `${value < 0 ? "−" : plus ? "+" : ""}${Math.abs(value).toFixed(places)}`;

export const probability = (value: number): string =>
  value === 0
    ? "0"
    : value < 0.001
      ? value.toExponential(0).replaceAll("-", "−")
      : value.toFixed(value < 0.1 ? 3 : 2);

/** "layer 12, on " France"", "the prompt's token 4", ... */
export function where(graph: Graph, node: number): string {
  const token = quote(graph.info.tokens[graph.position[node]]);
  switch (graph.kind[node]) {
    case FEATURE:
      return `layer ${graph.layer[node]}, on ${token} (${graph.position[node]})`;
    case ERROR:
      return `what is not explained of layer ${graph.layer[node]}, on ${token} (${graph.position[node]})`;
    case TOKEN:
      return `token ${graph.position[node]} of the prompt`;
    default:
      return "an output";
  }
}

export function sentence(graph: Graph, node: number, label: string | null, share: number): string {
  switch (graph.kind[node]) {
    case FEATURE: {
      const tokens = promoted(graph, node, 3).map(quote).join(", ");
      const writes = tokens && `, writes towards ${tokens}`;
      const named = label ? `${label}: feature` : "Feature";
      return `${named} ${featureName(graph, node)}, ${where(graph, node)}, activation ${number(graph.activation[node])}, influence ${percent(share)}${writes}.`;
    }
    case ERROR:
      return `Error: ${where(graph, node)}, influence ${percent(share)}.`;
    case TOKEN:
      return `Token ${nodeName(graph, node)}, influence ${percent(share)}.`;
    case TARGET: {
      const { text, probability: chance } = targetOf(graph, node);
      return `Output ${quote(text)}${chance === null ? "" : `, probability ${probability(chance)}`}.`;
    }
    default:
      return nodeName(graph, node);
  }
}
