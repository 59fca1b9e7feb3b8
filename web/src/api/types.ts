/** What the server says and hears; the same names as in its OpenAPI description. */

import type { Scores } from "../graph/graph.ts";

export interface GraphEntry {
  id: string;
  name: string;
  prompt: string;
  model: string;
  dictionary: string;
  answer: { text: string; probability: number | null } | null;
  nodes: number;
  features: number;
  edges: number;
  scores: Scores | null;
  size: number;
  created: string;
  modified: string;
}

export interface ServerInfo {
  version: string;
  library: string;
  limits: { upload: number; page_nodes: number; page_edges: number };
  model: { loaded: { model: string; dictionary: string } | null };
}

export interface KnownModel {
  name: string;
  reference: string;
  note: string;
  ready: boolean;
}

export type JobState = "waiting" | "running" | "done" | "failed" | "cancelled";

export interface Job {
  id: string;
  kind: "load" | "trace" | "intervene";
  state: JobState;
  phase: string;
  done: number;
  total: number;
  created: string;
  started: string | null;
  finished: string | null;
  error: string | null;
  request: JobRequest;
  result: unknown;
  graph: string | null;
}

export interface LoadRequest {
  kind: "load";
  model: string;
  dictionary: string;
}

export interface TraceRequest {
  kind: "trace";
  model: string;
  dictionary: string;
  prompt: string;
  name: string | null;
  targets: string[] | null;
  max_targets: number;
  target_probability: number;
  max_nodes: number;
  selection: "attribution" | "influence";
  sink: string | null;
  node_threshold: number;
  edge_threshold: number;
}

export type How = "ablate" | "scale" | "set" | "add" | "swap";
export type Regime = "direct" | "frozen-attention" | "free";

export interface Change {
  nodes: string[];
  how: How;
  value: number | null;
  positions: "here" | "all" | "onwards";
  source: { prompt: string; position: number | null } | null;
}

export interface InterveneRequest {
  kind: "intervene";
  graph: string;
  changes: Change[];
  regime: Regime;
  strengths: number[];
  generate: number;
}

export type JobRequest = LoadRequest | TraceRequest | InterveneRequest;

export interface TokenShare {
  text: string;
  probability: number;
}

export interface Measured {
  strength: number;
  kl: number;
  before: TokenShare[];
  after: TokenShare[];
  targets: {
    text: string;
    /** Null for a difference of two tokens. */
    before: number | null;
    after: number | null;
    logit_change: number;
    predicted: number | null;
    measured: number;
  }[];
  changed: {
    node: string | null;
    layer: number;
    position: number;
    index: number;
    before: number;
    after: number;
  }[];
}

export interface InterveneResult {
  results: Measured[];
  text: { before: string; after: string[] } | null;
  python: string;
}

export interface Look {
  tokens: string[];
  predictions: TokenShare[];
  sink: string | null;
}

export interface EdgesOfNode {
  total: number;
  edges: { node: string; name: string; weight: number }[];
  rest: { count: number; weight_absolute: number };
}

export type AnnotationValue = string | true | Group;
export type AnnotationValues = Record<string, AnnotationValue>;
export type AnnotationChanges = Record<string, AnnotationValue | null>;

export interface Group {
  name: string;
  members: string[];
  color: string | null;
}

/** What an index of example texts is of. */
export interface IndexAbout {
  model: string;
  dictionary: string;
  corpus: string[];
  /** At how many tokens features were looked at. */
  positions: number;
  texts: number;
  complete: boolean;
  created: string;
  generator: string;
}

/** What an index calls a feature, and who or what made that. */
export interface IndexLabel {
  text: string;
  source: "person" | "model" | "tokens";
  author: string;
  confidence: number | null;
  created: string;
}

/** What an index calls the features of a graph, by names such as `L12/403`. */
export interface GraphIndex {
  index: IndexAbout | null;
  /** Why an index that is there cannot be used. */
  problem: string | null;
  labels: Record<string, IndexLabel>;
}

export interface Example {
  tokens: string[];
  /** One for each token. */
  activations: number[];
  /** The place in `tokens` of the strongest one. */
  peak_at: number;
  peak: number;
}

export interface ExampleGroup {
  /** 0 the strongest, -1 the most negative; from 1 on, and from -2 down, weaker and weaker levels of each. */
  kind: number;
  name: string;
  examples: Example[];
}

export interface Histogram {
  /** One more than counts; a bin from 0 to 0 holds exact zeros. */
  edges: number[];
  counts: number[];
}

export interface TokenValue {
  text: string;
  value: number;
}

/** All that an index knows of one feature. */
export interface FeatureDetails {
  layer: number;
  feature: number;
  label: IndexLabel | null;
  positions: number;
  frequency: number;
  mean: number | null;
  minimum: number | null;
  maximum: number | null;
  never_seen: boolean;
  histogram: Histogram;
  quantiles: [number, number][];
  groups: ExampleGroup[];
  /** With the logit that one unit of activation adds. */
  top_outputs: TokenValue[];
  bottom_outputs: TokenValue[];
  /** With shares. */
  frequent_tokens: TokenValue[];
  /** With activations. */
  strongest_tokens: TokenValue[];
  /** The same two of the most negative activations. */
  frequent_low: TokenValue[];
  strongest_low: TokenValue[];
}

/** A feature whose label, tokens or texts hold what was searched for. */
export interface TextHit {
  feature: string;
  snippet: string;
}

export interface AnnotationsPatched {
  revision: number;
  values: AnnotationChanges;
  conflicts: AnnotationChanges;
}

/** Left, then right. */
export type Both<T> = [T, T];

/** Two graphs side by side; nodes go by their ids. */
export interface Comparison {
  /** Positions of the two prompts that correspond, ascending. */
  positions: Both<number>[];
  /** Whether model and dictionary are the same, without which no feature corresponds. */
  same_features: boolean;
  nodes: { left: string; right: string; influence: Both<number>; activation: Both<number | null> }[];
  /** Most influential first. */
  only_left: string[];
  only_right: string[];
  /** Between nodes in both, strongest change first, and no more than the server lists. */
  edges: { source: Both<string>; target: Both<string>; weight: Both<number> }[];
  n_edges: number;
  edges_only_left: number;
  edges_only_right: number;
  difference: { first: string; second: string; logits: Both<number> } | null;
}
