/** From the bytes of a `.clew` file to a `Graph`, checked so that nothing later can run out of bounds. */

import type { FileAnnotations, Graph, GraphInfo, OutputTokens } from "./graph.ts";
import { ERROR, FEATURE, TARGET, TOKEN } from "./graph.ts";
import { readSafetensors, type Container, type TensorData } from "./safetensors.ts";

/** Throws a sentence for a file that is no graph, is damaged, or has edges to nowhere. */
export function readGraph(file: ArrayBuffer): Graph {
  const container = readSafetensors(file);
  if (!container.metadata.clew) throw new Error("This is a safetensors file, but not a graph of clew.");
  const info = readInfo(container.metadata.clew);
  const annotations = readAnnotations(container.metadata.annotations);
  const kind = array(container, "node_kind", Uint8Array);
  const nNodes = kind.length;
  const offset = narrow(array(container, "edge_offset", BigInt64Array));
  const source = array(container, "edge_source", Int32Array);
  const weight = array(container, "edge_weight", Float32Array);
  checkEdges(offset, source, nNodes);
  const nodes = {
    kind,
    layer: array(container, "node_layer", Int16Array, nNodes),
    position: array(container, "node_position", Int32Array, nNodes),
    feature: Float64Array.from(array(container, "node_feature", BigInt64Array, nNodes), Number),
    activation: array(container, "node_activation", Float32Array, nNodes),
    influence: array(container, "node_influence", Float32Array, nNodes),
  };
  checkNodes(nodes.kind, nodes.position, info);
  const ids = nodeIds(nodes.kind, nodes.layer, nodes.feature, nodes.position);
  return {
    nNodes,
    nEdges: source.length,
    ...nodes,
    offset,
    source,
    weight,
    ...outgoing(offset, source, nNodes),
    leftOut: container.arrays.has("node_left_out")
      ? array(container, "node_left_out", Float32Array, nNodes)
      : null,
    nLayers: nodes.layer.reduce((most, layer) => Math.max(most, layer), 0),
    ids,
    indexOf: new Map(ids.map((id, node) => [id, node])),
    info,
    annotations,
    outputs: readOutputs(container),
  };
}

function array<T extends TensorData>(
  container: Container,
  name: string,
  type: { new (...given: never[]): T; name: string },
  length?: number,
): T {
  const found = container.arrays.get(name)?.data;
  if (!(found instanceof type)) throw new Error(`The file is damaged: it lacks the array ${name}.`);
  if (length !== undefined && found.length !== length)
    throw new Error(`The file is damaged: ${name} has ${found.length} entries for ${length} nodes.`);
  return found;
}

const narrow = (values: BigInt64Array): Int32Array => Int32Array.from(values, Number);

function checkEdges(offset: Int32Array, source: Int32Array, nNodes: number): void {
  const damaged = "The file is damaged: its edges lead to nodes that there are not.";
  if (offset.length !== nNodes + 1 || offset[0] !== 0 || offset[nNodes] !== source.length)
    throw new Error(damaged);
  for (let node = 0; node < nNodes; node++) if (offset[node] > offset[node + 1]) throw new Error(damaged);
  for (const node of source) if (node < 0 || node >= nNodes) throw new Error(damaged);
}

function checkNodes(kind: Uint8Array, position: Int32Array, info: GraphInfo): void {
  let targets = 0;
  for (let node = 0; node < kind.length; node++) {
    if (kind[node] > TARGET || position[node] < 0 || position[node] >= info.tokens.length)
      throw new Error("The file is damaged: a node stands where the prompt has no token.");
    if (kind[node] === TARGET) targets++;
  }
  if (targets !== info.targets.length)
    throw new Error("The file is damaged: it does not describe every output that it explains.");
}

/** Edges by source, in one counting pass. */
function outgoing(
  offset: Int32Array,
  source: Int32Array,
  nNodes: number,
): Pick<Graph, "outOffset" | "outTarget" | "outEdge"> {
  const outOffset = new Int32Array(nNodes + 1);
  for (const node of source) outOffset[node + 1]++;
  for (let node = 0; node < nNodes; node++) outOffset[node + 1] += outOffset[node];
  const next = outOffset.slice(0, nNodes);
  const outTarget = new Int32Array(source.length);
  const outEdge = new Int32Array(source.length);
  for (let target = 0; target < nNodes; target++)
    for (let edge = offset[target]; edge < offset[target + 1]; edge++) {
      const place = next[source[edge]]++;
      outTarget[place] = target;
      outEdge[place] = edge;
    }
  return { outOffset, outTarget, outEdge };
}

/** Neuronpedia's spelling, as `Graph.node_id` in Python. */
function nodeIds(kind: Uint8Array, layer: Int16Array, feature: Float64Array, position: Int32Array): string[] {
  const firstTarget = kind.indexOf(TARGET);
  return Array.from(kind, (what, node) => {
    if (what === TOKEN) return `E_${feature[node]}_${position[node]}`;
    if (what !== TARGET) return `${layer[node]}_${feature[node]}_${position[node]}`;
    const index = feature[node] < 0 ? -(node - firstTarget + 1) : feature[node];
    return `${layer[node] + 1}_${index}_${position[node]}`;
  });
}

function readOutputs(container: Container): OutputTokens | null {
  const token = container.arrays.get("output_token");
  if (!token) return null;
  const node = array(container, "output_node", Int32Array);
  return {
    rowOf: new Map(Array.from(node, (which, row) => [which, row])),
    token: array(container, "output_token", Int32Array),
    logit: array(container, "output_logit", Float32Array),
    perNode: token.shape[1] ?? 0,
  };
}

function readInfo(text: string): GraphInfo {
  const found = JSON.parse(text) as Partial<GraphInfo>;
  return {
    prompt: found.prompt ?? "",
    tokens: found.tokens ?? [],
    model: found.model ?? "",
    dictionary: found.dictionary ?? "",
    targets: found.targets ?? [],
    predictions: found.predictions ?? [],
    sink: found.sink ?? null,
    scores: found.scores ?? null,
    whole: found.whole ?? null,
    pruned_scores: found.pruned_scores ?? null,
    conservation: found.conservation ?? null,
    influence_left_out: found.influence_left_out ?? 0,
    settings: found.settings ?? {},
    timing: found.timing ?? {},
    token_text: found.token_text ?? {},
    created: found.created ?? "",
    generator: found.generator ?? "",
  };
}

function readAnnotations(text: string | undefined): FileAnnotations {
  const found = (text ? JSON.parse(text) : {}) as Partial<FileAnnotations>;
  return {
    labels: found.labels ?? {},
    feature_labels: found.feature_labels ?? {},
    supernodes: found.supernodes ?? [],
    supernode_colors: found.supernode_colors ?? {},
    pins: found.pins ?? [],
  };
}

export const NAMES_OF_KINDS = {
  [FEATURE]: "feature",
  [ERROR]: "error",
  [TOKEN]: "token",
  [TARGET]: "output",
};
