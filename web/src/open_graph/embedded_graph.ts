/** A page that was exported as one file carries its graph, and what a person added to it, within itself. */

import type { AnnotationValues, FeatureRecord, IndexAbout, FeatureLabel } from "../api/types.ts";
import { readGraph } from "../graph/read_graph.ts";
import type { Graph } from "../graph/graph.ts";
import type { Summary } from "../graph/summary.ts";

/** What the server writes into the page; `annotations` holds the flat document. */
interface EmbeddedDocument {
  summary?: Summary;
  annotations?: { values: AnnotationValues };
  nodes_total?: number;
  edges_total?: number;
  index?: EmbeddedIndex | null;
}

/** What an index says of the most influential features of the graph. */
export interface EmbeddedIndex {
  index: IndexAbout;
  labels: Record<string, FeatureLabel>;
  features: Record<string, FeatureRecord>;
}

export interface Embedded {
  graph: Graph;
  summary: Summary | null;
  values: AnnotationValues | null;
  stored: { nodes: number; edges: number };
  index: EmbeddedIndex | null;
}

export const isEmbedded = (): boolean => document.getElementById("clew-graph") !== null;

/** Throws a sentence where the graph within the page is damaged. */
export function readEmbedded(): Embedded {
  const text = document.getElementById("clew-graph")!.textContent.trim();
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const said = document.getElementById("clew-document")?.textContent;
  const found = (said ? JSON.parse(said) : {}) as EmbeddedDocument;
  return {
    graph: readGraph(bytes.buffer),
    summary: found.summary ?? null,
    values: found.annotations?.values ?? null,
    stored: { nodes: found.nodes_total ?? 0, edges: found.edges_total ?? 0 },
    index: found.index ?? null,
  };
}
