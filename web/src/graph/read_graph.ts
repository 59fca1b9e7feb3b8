/** Reads the bytes of a `.clew` file into a `Graph`, and checks that no edge or position is out of bounds. */

import { TARGET, type FileAnnotations, type Graph, type GraphInfo, type OutputTokens } from "./graph.ts";
import { nodeIds } from "./node_names.ts";
import { readSafetensors, type Container, type TensorData } from "./safetensors.ts";

/** Throws a sentence for a file that holds no graph or is damaged. */
export function readGraph(file: ArrayBuffer): Graph {
  const container = readSafetensors(file);
  if (!container.metadata.clew) throw new Error("This safetensors file does not hold a graph of clew.");
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
  const ids = nodeIds(nodes);
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
    isWhole: container.arrays.has("node_total"),
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
  const data = container.arrays.get(name)?.data;
  if (!(data instanceof type)) throw new Error(`The file is damaged: it lacks the array ${name}.`);
  if (length !== undefined && data.length !== length)
    throw new Error(`The file is damaged: ${name} has ${data.length} entries for ${length} nodes.`);
  return data;
}

const narrow = (values: BigInt64Array): Int32Array => Int32Array.from(values, Number);

function checkEdges(offset: Int32Array, source: Int32Array, nNodes: number): void {
  const damaged = "The file is damaged: its edges lead to nodes that do not exist.";
  if (offset.length !== nNodes + 1 || offset[0] !== 0 || offset[nNodes] !== source.length)
    throw new Error(damaged);
  for (let node = 0; node < nNodes; node++) if (offset[node] > offset[node + 1]) throw new Error(damaged);
  for (const node of source) if (node < 0 || node >= nNodes) throw new Error(damaged);
}

function checkNodes(kind: Uint8Array, position: Int32Array, info: GraphInfo): void {
  let targets = 0;
  for (let node = 0; node < kind.length; node++) {
    if (kind[node] > TARGET || position[node] < 0 || position[node] >= info.tokens.length)
      throw new Error("The file is damaged: a node has a position outside the prompt.");
    if (kind[node] === TARGET) targets++;
  }
  if (targets !== info.targets.length)
    throw new Error("The file is damaged: it does not describe all of its targets.");
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
  const info = JSON.parse(text) as Partial<GraphInfo>;
  return {
    prompt: info.prompt ?? "",
    tokens: info.tokens ?? [],
    model: info.model ?? "",
    dictionary: info.dictionary ?? "",
    targets: info.targets ?? [],
    prompt_changes: info.prompt_changes ?? "",
    predictions: info.predictions ?? [],
    prediction_ids: info.prediction_ids ?? [],
    sink: info.sink ?? null,
    scores: info.scores ?? null,
    whole: info.whole ?? null,
    pruned_scores: info.pruned_scores ?? null,
    conservation: info.conservation ?? null,
    influence_left_out: info.influence_left_out ?? 0,
    settings: info.settings ?? {},
    timing: info.timing ?? {},
    token_text: info.token_text ?? {},
    created: info.created ?? "",
    generator: info.generator ?? "",
    description: info.description ?? "",
    roles: info.roles ?? [],
    messages: info.messages ?? [],
  };
}

function readAnnotations(text: string | undefined): FileAnnotations {
  const stored = (text ? JSON.parse(text) : {}) as Partial<FileAnnotations>;
  return {
    labels: stored.labels ?? {},
    feature_labels: stored.feature_labels ?? {},
    supernodes: stored.supernodes ?? [],
    supernode_colors: stored.supernode_colors ?? {},
    supernode_places: stored.supernode_places ?? {},
    node_places: stored.node_places ?? {},
    pins: stored.pins ?? [],
  };
}
