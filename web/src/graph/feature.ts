/**
 * Features of a dictionary, and the one place that reads and writes their names, as `clew/feature.py` does in Python.
 *
 * `L12/4031` is feature 4031 of layer 12, `L12/4031@5` the same at position 5. `A12/31` is a feature of an attention
 * dictionary, which only imported graphs have; its `index` is negative.
 */

import type { Graph } from "./graph.ts";

export interface Feature {
  readonly layer: number;
  readonly index: number;
}

/** The features that a name or the beginning of one means: null leaves the index or the position open. */
export interface FeaturePattern {
  readonly layer: number;
  readonly index: number | null;
  readonly position: number | null;
}

/** `L12`, `L12/4031`, `L12/4031@5`, `L12@5`, `A12/31`; a lone `A12` could be any word. */
const PATTERN = /^(?:(L)(?=\d+(?:[/@]|$))|(A)(?=\d+\/))(\d+)(?:\/(\d+))?(?:@(\d+))?$/i;

export const featureName = ({ layer, index }: Feature): string =>
  index >= 0 ? `L${layer}/${index}` : `A${layer}/${-index / 2 - 1}`;

export const featureAtName = (feature: Feature, position: number | string): string =>
  `${featureName(feature)}@${position}`;

/** The feature that a feature node stands for. */
export const featureOf = (graph: Graph, node: number): Feature => ({
  layer: graph.layer[node],
  index: graph.feature[node],
});

/** The name of a node's feature, which its labels go by. */
export const featureNameOf = (graph: Graph, node: number): string => featureName(featureOf(graph, node));

/** The features that a text such as `L12` or `L12/4031@5` names; null for any other text. */
export function matchPattern(text: string): FeaturePattern | null {
  const match = PATTERN.exec(text);
  if (!match) return null;
  const [, , attention, layer, index, position] = match;
  const number = (digits: string | undefined) => (digits === undefined ? null : Number(digits));
  return {
    layer: Number(layer),
    index: attention ? -2 * (Number(index) + 1) : number(index),
    position: number(position),
  };
}

/** The feature with a name such as `L12/4031`. */
export function parseFeature(name: string): Feature {
  const { layer, index } = matchPattern(name) ?? {};
  if (layer === undefined || index == null)
    throw new Error(`${name} is not a feature; write one as L12/4031.`);
  return { layer, index };
}
