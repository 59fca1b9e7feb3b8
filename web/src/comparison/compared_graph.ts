/** One of the two graphs that are compared, and what is known about its nodes. */

import { annotations, arrays, graph as entryOf, graphIndex } from "../api/client.ts";
import type { AnnotationValues, GraphEntry, FeatureLabel } from "../api/types.ts";
import { FIRST_VIEW, graphAddress } from "../app/address.ts";
import { labelOf } from "../open_graph/annotation_document.ts";
import { ERROR, FEATURE, TARGET, TOKEN, type Graph } from "../graph/graph.ts";
import { featureName, nodeName, promoted } from "../graph/node_names.ts";
import { readGraph } from "../graph/read_graph.ts";

export interface Side {
  id: string;
  entry: GraphEntry;
  graph: Graph;
  values: AnnotationValues;
  /** What the index of its dictionary calls features, by name. */
  indexLabels: Record<string, FeatureLabel>;
}

/** A node as rows tell it; numbers are null where the page does not have them. */
export interface Told {
  id: string;
  name: string;
  label: string | null;
  kind: number;
  layer: number;
  position: number;
  /** Share of the targets that flows through it. */
  influence: number | null;
  activation: number | null;
  /** Tokens that it writes towards. */
  writes: string[];
}

export async function loadSide(id: string): Promise<Side> {
  const [entry, { bytes }, { values }, { labels }] = await Promise.all([
    entryOf(id),
    arrays(id),
    annotations(id),
    graphIndex(id),
  ]);
  return { id, entry, graph: readGraph(bytes), values, indexLabels: labels };
}

/** A person's label, else that of the index; those made by rule say less than what stands beside them. */
function calledIn({ graph, values, indexLabels }: Side, node: number): string | null {
  const own = labelOf(graph, values, node);
  if (own !== null || graph.kind[node] !== FEATURE) return own;
  const known = indexLabels[featureName(graph, node)];
  return known && known.source !== "tokens" ? known.text : null;
}

export function told(side: Side, id: string): Told {
  const { graph } = side;
  const node = graph.indexOf.get(id);
  if (node === undefined) return fromId(id);
  const activation = graph.activation[node];
  return {
    id,
    name: nodeName(graph, node),
    label: calledIn(side, node),
    kind: graph.kind[node],
    layer: graph.layer[node],
    position: graph.position[node],
    influence: graph.influence[node] / targetWeight(graph),
    activation: graph.kind[node] === FEATURE && Number.isFinite(activation) ? activation : null,
    writes: promoted(graph, node, 3),
  };
}

/** Of a graph so large that the page holds a part of it, a node outside that part. */
function fromId(id: string): Told {
  const [layer, feature, position] = id.split("_");
  const kind = layer === "E" ? TOKEN : feature.startsWith("-") ? ERROR : FEATURE;
  const name = {
    [TOKEN]: `token ${position}`,
    [ERROR]: `error L${layer}@${position}`,
    [FEATURE]: `L${layer}/${feature}@${position}`,
  }[kind]!;
  return {
    id,
    name,
    label: null,
    kind,
    layer: kind === TOKEN ? -1 : Number(layer),
    position: Number(position),
    influence: null,
    activation: null,
    writes: [],
  };
}

const weights = new WeakMap<Graph, number>();

function targetWeight(graph: Graph): number {
  let found = weights.get(graph);
  if (found === undefined) {
    found = graph.info.targets.reduce((sum, { weight }) => sum + weight, 0) || 1;
    weights.set(graph, found);
  }
  return found;
}

/** Where a node is looked at in its own graph. */
export const nodeAddress = (graph: string, node: string): string =>
  graphAddress(graph, { ...FIRST_VIEW, mode: "all", selected: [node] });

export const KINDS = { [FEATURE]: "features", [ERROR]: "errors", [TOKEN]: "tokens", [TARGET]: "outputs" };
