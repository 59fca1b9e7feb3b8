/** Ids and names of nodes: the same as on the command line and in Python. */

import { featureAtName, featureOf } from "./feature.ts";
import { ERROR, FEATURE, promotedRow, TARGET, targetOf, TOKEN, type Graph } from "./graph.ts";
import { quote } from "./token_text.ts";

/** Neuronpedia's spelling of node ids, as `Graph.node_id` in Python. */
export function nodeIds({
  kind,
  layer,
  feature,
  position,
}: Pick<Graph, "kind" | "layer" | "feature" | "position">): string[] {
  const firstTarget = kind.indexOf(TARGET);
  return Array.from(kind, (own, node) => {
    if (own === TOKEN) return `E_${feature[node]}_${position[node]}`;
    if (own !== TARGET) return `${layer[node]}_${feature[node]}_${position[node]}`;
    const index = feature[node] < 0 ? -(node - firstTarget + 1) : feature[node];
    return `${layer[node] + 1}_${index}_${position[node]}`;
  });
}

/** Kind, name and place of a node that the page does not hold, from its id; outputs are always held. */
export function readNodeId(id: string): { kind: number; name: string; layer: number; position: number } {
  const [layer, index, position] = id.split("_");
  const kind = layer === "E" ? TOKEN : index.startsWith("-") ? ERROR : FEATURE;
  const feature = { layer: Number(layer), index: Number(index) };
  const name =
    kind === TOKEN
      ? `token ${position}`
      : kind === ERROR
        ? `error L${layer}@${position}`
        : featureAtName(feature, position);
  return { kind, name, layer: kind === TOKEN ? -1 : feature.layer, position: Number(position) };
}

/** `L12/4031@5`, `error L3@5`, `" France"@4`, `" Paris" (0.77)`. */
export function nodeName(graph: Graph, node: number): string {
  const position = graph.position[node];
  switch (graph.kind[node]) {
    case FEATURE:
      return featureAtName(featureOf(graph, node), position);
    case ERROR: {
      const kind = { "-1": "error", "-3": "attention error" }[String(graph.feature[node])] ?? "bias";
      return `${kind} L${graph.layer[node]}@${position}`;
    }
    case TOKEN:
      return `${quote(graph.info.tokens[position])}@${position}`;
    default: {
      const target = targetOf(graph, node);
      return `${quote(target.text)} (${target.weight.toFixed(2)})`;
    }
  }
}

/** The tokens that a feature promotes on this prompt (or suppresses), strongest first. */
export function promoted(graph: Graph, node: number, count = 10, down = false): string[] {
  const row = graph.outputs?.rowOf.get(node);
  if (!graph.outputs || row === undefined) return [];
  const bottom = graph.activation[node] < 0 !== down;
  const [begin, end] = promotedRow(graph.outputs, row, bottom);
  const tokens = graph.outputs.token.subarray(begin, Math.min(end, begin + count));
  return Array.from(tokens, (token) => graph.info.token_text[token] ?? `<${token}>`);
}
