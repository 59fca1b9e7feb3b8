/** A page that was exported as one file holds its graph and annotations in itself. */

import type {
  AnnotationValues,
  FeatureLabel,
  FeatureRecordAnswer,
  IndexAbout,
  StoryAnswer,
  SummaryAnswer,
} from "../api/types.ts";
import type { Graph } from "../graph/graph.ts";
import { readGraph } from "../graph/read_graph.ts";

/** The part of the page that the server writes beside the graph. */
interface EmbeddedDocument {
  summary?: SummaryAnswer;
  story?: StoryAnswer;
  annotations?: { values: AnnotationValues };
  nodes_total?: number;
  edges_total?: number;
  index?: EmbeddedIndex | null;
}

/** The part of an index that is about the most influential features of the graph. */
export interface EmbeddedIndex {
  index: IndexAbout;
  labels: Record<string, FeatureLabel>;
  features: Record<string, FeatureRecordAnswer>;
}

export interface Embedded {
  graph: Graph;
  summary: SummaryAnswer | null;
  story: StoryAnswer | null;
  values: AnnotationValues | null;
  stored: { nodes: number; edges: number };
  index: EmbeddedIndex | null;
}

export const isEmbedded = (): boolean => document.getElementById("clew-graph") !== null;

/** Reads the page's own graph; throws a sentence where it is damaged. */
export async function readEmbedded(): Promise<Embedded> {
  const [graph, json] = await Promise.all([bytesOf("clew-graph"), bytesOf("clew-document")]);
  const stored = (json.byteLength ? JSON.parse(new TextDecoder().decode(json)) : {}) as EmbeddedDocument;
  return {
    graph: readGraph(graph),
    summary: stored.summary ?? null,
    story: stored.story ?? null,
    values: stored.annotations?.values ?? null,
    stored: { nodes: stored.nodes_total ?? 0, edges: stored.edges_total ?? 0 },
    index: stored.index ?? null,
  };
}

/** The content of an element that holds deflated bytes in Base64; nothing where there is none. */
async function bytesOf(id: string): Promise<ArrayBuffer> {
  const text = document.getElementById(id)?.textContent.trim();
  if (!text) return new ArrayBuffer();
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const whole = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(whole).arrayBuffer();
}
