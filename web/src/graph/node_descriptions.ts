/** Nodes in words: where one stands, and the sentence that a screen reader speaks. */

import { number, percent, probability } from "../format/numbers.ts";
import { featureNameOf } from "./feature.ts";
import { ERROR, FEATURE, TARGET, targetOf, TOKEN, type Graph } from "./graph.ts";
import { nodeName, promoted } from "./node_names.ts";
import { quote } from "./token_text.ts";

/** `layer 12, on " France" (4)`, `token 4 of the prompt`, `an output`. */
export function describePlace(graph: Graph, node: number): string {
  const { tokens, roles } = graph.info;
  const position = graph.position[node];
  const role = roles[position] ? `, ${roles[position]}` : "";
  const place = `layer ${graph.layer[node]}, on ${quote(tokens[position])} (${position}${role})`;
  switch (graph.kind[node]) {
    case FEATURE:
      return place;
    case ERROR:
      return `unexplained part of ${place}`;
    case TOKEN:
      return `token ${position} of the prompt${role}`;
    default:
      return "an output";
  }
}

/** One sentence with name, place and influence. */
export function describeNode(graph: Graph, node: number, label: string | null, influence: number): string {
  switch (graph.kind[node]) {
    case FEATURE: {
      const tokens = promoted(graph, node, 3).map(quote).join(", ");
      const promotes = tokens && `, promotes ${tokens}`;
      const named = label ? `${label}: feature` : "Feature";
      const activation = number(graph.activation[node]);
      return `${named} ${featureNameOf(graph, node)}, ${describePlace(graph, node)}, activation ${activation}, influence ${percent(influence)}${promotes}.`;
    }
    case ERROR:
      return `Error node: ${describePlace(graph, node)}, influence ${percent(influence)}.`;
    case TARGET: {
      const { text, probability: chance } = targetOf(graph, node);
      return `Output ${quote(text)}${chance === null ? "" : `, probability ${probability(chance)}`}.`;
    }
    default:
      return `Token ${nodeName(graph, node)}, influence ${percent(influence)}.`;
  }
}
