/** The two graphs of a comparison, and their nodes as tables and dots show them. */

import { annotations, arrays, graph as entryOf, graphIndex } from "../api/client.ts";
import type { AnnotationValues, GraphEntry, FeatureLabel } from "../api/types.ts";
import { featureNameOf } from "../graph/feature.ts";
import { ERROR, FEATURE, TARGET, TOKEN, type Graph } from "../graph/graph.ts";
import { outputShare } from "../graph/influence.ts";
import { nodeName, promoted, readNodeId } from "../graph/node_names.ts";
import { readGraph } from "../graph/read_graph.ts";
import { labelOf } from "../open_graph/annotation_document.ts";

/** The two graphs stand on two sides, which have colours of their own. */
export type Side = "left" | "right";
export const SIDES = ["left", "right"] as const;

export interface ComparedGraph {
  id: string;
  entry: GraphEntry;
  graph: Graph;
  values: AnnotationValues;
  /** Labels of the index of example texts, by feature. */
  indexLabels: Record<string, FeatureLabel>;
}

/** A node of one graph; numbers are null where the page does not have them. */
export interface ComparedNode {
  id: string;
  name: string;
  label: string | null;
  kind: number;
  layer: number;
  position: number;
  /** Share of the outputs that flows through it. */
  influence: number | null;
  activation: number | null;
  /** Tokens that it promotes. */
  promoted: string[];
}

export async function loadGraph(id: string): Promise<ComparedGraph> {
  const [entry, { bytes }, { values }, { labels }] = await Promise.all([
    entryOf(id),
    arrays(id),
    annotations(id),
    graphIndex(id),
  ]);
  return { id, entry, graph: readGraph(bytes), values, indexLabels: labels };
}

/** A person's label, else the index's. */
function labelIn({ graph, values, indexLabels }: ComparedGraph, node: number): string | null {
  const own = labelOf(graph, values, node);
  if (own !== null || graph.kind[node] !== FEATURE) return own;
  return indexLabels[featureNameOf(graph, node)]?.text ?? null;
}

export function comparedNode(compared: ComparedGraph, id: string): ComparedNode {
  const { graph } = compared;
  const node = graph.indexOf.get(id);
  if (node === undefined) return outsideNode(id);
  const activation = graph.activation[node];
  return {
    id,
    name: nodeName(graph, node),
    label: labelIn(compared, node),
    kind: graph.kind[node],
    layer: graph.layer[node],
    position: graph.position[node],
    influence: outputShare(graph, node),
    activation: graph.kind[node] === FEATURE && Number.isFinite(activation) ? activation : null,
    promoted: promoted(graph, node, 3),
  };
}

/** A node that the page does not hold: of a very large graph it has only the strongest part. */
const outsideNode = (id: string): ComparedNode => ({
  id,
  ...readNodeId(id),
  label: null,
  influence: null,
  activation: null,
  promoted: [],
});

/** Names of the kinds, for the filter of the tables. */
export const KINDS = { [FEATURE]: "features", [ERROR]: "errors", [TOKEN]: "tokens", [TARGET]: "outputs" };
