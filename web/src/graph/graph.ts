/** An attribution graph as typed arrays, in the order and with the meanings of the `.clew` file. */

import type { PlaceOfBox } from "../api/types.ts";

export const FEATURE = 0;
export const ERROR = 1;
export const TOKEN = 2;
export const TARGET = 3;

export interface Scores {
  replacement: number;
  completeness: number;
}

export interface Target {
  text: string;
  token_id: number;
  weight: number;
  probability: number | null;
  minus_id: number | null;
}

/** Facts about a graph besides its arrays, as `clew.GraphInfo` describes them. */
export interface GraphInfo {
  prompt: string;
  tokens: string[];
  model: string;
  dictionary: string;
  targets: Target[];
  /** A sentence about what the tokenizer changed in the prompt, or nothing. */
  prompt_changes: string;
  predictions: [string, number][];
  /** Token ids of the predictions; empty in graphs that hold none. */
  prediction_ids: number[];
  sink: { text: string; token_id: number; kl: number | null; reason: string; mean_kl?: number | null } | null;
  scores: Scores | null;
  whole: { nodes: number; features: number; edges: number } | null;
  pruned_scores: Scores | null;
  conservation: number | null;
  influence_left_out: number;
  settings: Record<string, unknown>;
  timing: Record<string, number>;
  token_text: Record<string, string>;
  created: string;
  generator: string;
  /** A person's words on what the graph shows, a paragraph on each line, or nothing. */
  description: string;
  /** For a chat, the role of each token; `template` for what the template adds. */
  roles: string[];
  /** For a chat, role and text of each message. */
  messages: [role: string, text: string][];
}

/** A person's annotations as a file holds them; nodes go by their ids. */
export interface FileAnnotations {
  labels: Record<string, string>;
  feature_labels: Record<string, string>;
  supernodes: [string, string[]][];
  supernode_colors: Record<string, string>;
  supernode_places: Record<string, PlaceOfBox>;
  node_places: Record<string, PlaceOfBox>;
  pins: string[];
}

export interface Graph {
  readonly nNodes: number;
  readonly nEdges: number;
  readonly kind: Uint8Array;
  /** -1 for tokens, the number of layers for targets. */
  readonly layer: Int16Array;
  readonly position: Int32Array;
  /** Feature index; token id of tokens and targets; negative for errors and made-up targets. */
  readonly feature: Float64Array;
  /** Activation of a feature, weight of a target, NaN otherwise. */
  readonly activation: Float32Array;
  /** Influence on the weighted targets, computed on the whole graph. */
  readonly influence: Float32Array;
  /** Edges into node t are `offset[t]` to `offset[t + 1]`. */
  readonly offset: Int32Array;
  readonly source: Int32Array;
  readonly weight: Float32Array;
  /** Edges by source: those out of node s are `outOffset[s]` to `outOffset[s + 1]`. */
  readonly outOffset: Int32Array;
  readonly outTarget: Int32Array;
  /** The place of each outgoing edge in `source` and `weight`. */
  readonly outEdge: Int32Array;
  /** The part of each row that counts as error, its error nodes included; null if nothing was pruned or the file lacks it. */
  readonly leftOut: Float32Array | null;
  /** A whole graph as it was traced, with the total of each row. */
  readonly isWhole: boolean;
  readonly nLayers: number;
  readonly ids: string[];
  readonly indexOf: Map<string, number>;
  readonly info: GraphInfo;
  readonly annotations: FileAnnotations;
  readonly outputs: OutputTokens | null;
}

/** Output tokens of features: `perNode` token ids each, the first half promoted, the second suppressed. */
export interface OutputTokens {
  readonly rowOf: Map<number, number>;
  readonly token: Int32Array;
  readonly logit: Float32Array;
  readonly perNode: number;
}

/** Begin and end of the tokens that a row promotes, or (`bottom`) suppresses. */
export const promotedRow = (outputs: OutputTokens, row: number, bottom: boolean): [number, number] => {
  const half = outputs.perNode / 2;
  const begin = row * outputs.perNode + (bottom ? half : 0);
  return [begin, begin + half];
};

export const targetOf = (graph: Graph, node: number): Target =>
  graph.info.targets[node - graph.kind.indexOf(TARGET)];

export const nodesOfKind = (graph: Graph, kind: number): number[] =>
  Array.from(graph.kind.keys()).filter((node) => graph.kind[node] === kind);

/** Outputs, the one with the largest weight first. */
export const targetsByWeight = (graph: Graph): number[] =>
  nodesOfKind(graph, TARGET).sort((one, other) => graph.activation[other] - graph.activation[one]);

/** The nodes with these ids; ids that the graph does not have are passed over. */
export const nodesWithIds = (graph: Graph, ids: readonly string[]): number[] =>
  ids.map((id) => graph.indexOf.get(id)).filter((node) => node !== undefined);

/** A copy of some nodes, the most influential first. */
export const sortedByInfluence = (graph: Graph, nodes: readonly number[]): number[] =>
  nodes.toSorted((one, other) => graph.influence[other] - graph.influence[one]);

/**
 * True for an edge that makes its target more active: its weight has the sign of the target's activation. A neuron's
 * activation may be negative, and a negative weight then strengthens it.
 */
export const strengthens = (graph: Graph, target: number, weight: number): boolean =>
  weight > 0 !== (graph.kind[target] === FEATURE && graph.activation[target] < 0);
