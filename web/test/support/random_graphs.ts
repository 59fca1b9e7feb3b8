/** Graphs to test with: written by hand, or random from a seed; made through the bytes of a `.clew` file. */

import { ERROR, FEATURE, TARGET, TOKEN, type Graph } from "../../src/graph/graph.ts";
import { readGraph } from "../../src/graph/read_graph.ts";

export interface NodeGiven {
  kind: number;
  layer: number;
  position: number;
  feature: number;
  /** Activation of a feature, weight of a target. */
  activation?: number;
}

/** Source, target, weight. */
export type EdgeGiven = [number, number, number];

export interface GraphGiven {
  nodes: NodeGiven[];
  edges: EdgeGiven[];
  leftOut?: number[];
  /** Totals of the rows, which whole graphs alone have. */
  total?: number[];
  info?: Record<string, unknown>;
  /** Ten tokens promoted and ten suppressed by a node. */
  outputs?: Record<number, number[]>;
}

export function makeGraph(given: GraphGiven): Graph {
  return readGraph(clewBytes(given));
}

/** The nodes must be in the order features, errors, tokens, targets. */
export function clewBytes({ nodes, edges, leftOut, total, info, outputs = {} }: GraphGiven): ArrayBuffer {
  const sorted = edges.slice().sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  const offset = new BigInt64Array(nodes.length + 1);
  for (const [, target] of edges) offset[target + 1]++;
  for (let node = 0; node < nodes.length; node++) offset[node + 1] += offset[node];
  const influence = new Float32Array(nodes.length).map((_, node) => 1 / (node + 1));
  const described = Object.keys(outputs).map(Number);
  return safetensors(
    {
      node_kind: Uint8Array.from(nodes, (node) => node.kind),
      node_layer: Int16Array.from(nodes, (node) => node.layer),
      node_position: Int32Array.from(nodes, (node) => node.position),
      node_feature: BigInt64Array.from(nodes, (node) => BigInt(node.feature)),
      node_activation: Float32Array.from(nodes, (node) => node.activation ?? NaN),
      node_influence: influence,
      edge_offset: offset,
      edge_source: Int32Array.from(sorted, (edge) => edge[0]),
      edge_weight: Float32Array.from(sorted, (edge) => edge[2]),
      ...(leftOut ? { node_left_out: Float32Array.from(leftOut) } : {}),
      ...(total ? { node_total: Float32Array.from(total) } : {}),
      ...(described.length
        ? {
            output_node: Int32Array.from(described),
            output_token: Int32Array.from(described.flatMap((node) => outputs[node])),
            output_logit: new Float32Array(20 * described.length),
          }
        : {}),
    },
    { output_token: [described.length, 20], output_logit: [described.length, 20] },
    { ...describe(nodes), ...info },
  );
}

function describe(nodes: NodeGiven[]): Record<string, unknown> {
  const positions = 1 + Math.max(...nodes.map((node) => node.position));
  return {
    tokens: Array.from({ length: positions }, (_, position) => ` token${position}`),
    targets: nodes
      .filter((node) => node.kind === TARGET)
      .map((node) => ({ text: ` word${node.feature}`, token_id: node.feature, weight: node.activation })),
  };
}

type ArrayGiven = Uint8Array | Int16Array | Int32Array | BigInt64Array | Float32Array;

function safetensors(
  arrays: Record<string, ArrayGiven>,
  shapes: Record<string, number[]>,
  info: Record<string, unknown>,
): ArrayBuffer {
  const names = { Uint8Array: "U8", Int16Array: "I16", Int32Array: "I32", BigInt64Array: "I64" };
  const header: Record<string, unknown> = { __metadata__: { clew: JSON.stringify(info) } };
  let at = 0;
  for (const [name, array] of Object.entries(arrays)) {
    const dtype = names[array.constructor.name as keyof typeof names] ?? "F32";
    const offsets = [at, (at += array.byteLength)];
    header[name] = { dtype, shape: shapes[name] ?? [array.length], data_offsets: offsets };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + at);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  at = 8 + text.length;
  for (const array of Object.values(arrays)) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += array.byteLength;
  }
  return bytes.buffer;
}

/** Mulberry32: numbers from 0 to 1 that are the same for the same seed. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface SizeGiven {
  layers?: number;
  positions?: number;
  perCell?: number;
  targets?: number;
  density?: number;
  /** Whether edges may also join the nodes of one layer (upwards in node order). */
  inside?: boolean;
  leftOut?: boolean;
}

/** A layered graph: `perCell` features and one error in each (layer, position), edges all upwards. */
export function randomGraph(seed: number, size: SizeGiven = {}): Graph {
  return makeGraph(randomGiven(seed, size));
}

export function randomGiven(seed: number, size: SizeGiven = {}): GraphGiven {
  const { layers = 3, positions = 3, perCell = 3, targets = 2, density = 0.5, inside = false } = size;
  const random = generator(seed);
  const nodes: NodeGiven[] = [];
  const everyPlace = (put: (layer: number, position: number) => void) => {
    for (let layer = 0; layer < layers; layer++)
      for (let position = 0; position < positions; position++) put(layer, position);
  };
  everyPlace((layer, position) => {
    for (let feature = 0; feature < perCell; feature++)
      nodes.push({ kind: FEATURE, layer, position, feature, activation: random() * 3 - 0.75 });
  });
  everyPlace((layer, position) => nodes.push({ kind: ERROR, layer, position, feature: -1 }));
  for (let position = 0; position < positions; position++)
    nodes.push({ kind: TOKEN, layer: -1, position, feature: 100 + position });
  const weights = Array.from({ length: targets }, () => random() + 0.01);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  weights.forEach((weight, index) =>
    nodes.push({
      kind: TARGET,
      layer: layers,
      position: positions - 1,
      feature: 200 + index,
      activation: weight / total,
    }),
  );
  const edges: EdgeGiven[] = [];
  nodes.forEach((to, target) => {
    if (to.kind !== FEATURE && to.kind !== TARGET) return;
    nodes.forEach((from, source) => {
      const below = from.layer < to.layer && from.position <= to.position;
      const beside = inside && from.layer === to.layer && from.kind === FEATURE && source < target;
      if ((below || beside) && random() < density) edges.push([source, target, 2 * random() - 1]);
    });
  });
  return size.leftOut ? { nodes, edges, leftOut: nodes.map(() => random()) } : { nodes, edges };
}
