/** A page that was exported as one file carries its graph, and what a person added to it, within itself. */

import { readGraph } from "../graph/read.ts";
import type { Graph } from "../graph/graph.ts";
import type { Summary } from "../graph/summary.ts";

export interface Embedded {
  graph: Graph;
  summary: Summary | null;
}

export const isEmbedded = (): boolean => document.getElementById("clew-graph") !== null;

/** Throws a sentence where the graph within the page is damaged. */
export function readEmbedded(): Embedded {
  const text = document.getElementById("clew-graph")!.textContent.trim();
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const said = document.getElementById("clew-document")?.textContent;
  const { summary = null } = (said ? JSON.parse(said) : {}) as { summary?: Summary | null };
  return { graph: readGraph(bytes.buffer), summary };
}
