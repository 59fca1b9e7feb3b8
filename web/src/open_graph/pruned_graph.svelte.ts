/** The part of a graph that the thresholds leave, and the scores of it and of the chosen nodes. */

import { ERROR, nodesOfKind, TOKEN } from "../graph/graph.ts";
import type { Prepared } from "../graph/prepared_graph.ts";
import { prune, type Pruned } from "../graph/prune.ts";
import { knowsWhatIsMissing, scoresOfPart, type PartScores } from "../graph/scores.ts";
import type { Annotations } from "./annotations.svelte.ts";
import type { GraphView } from "./graph_view.svelte.ts";

export class PrunedGraph {
  readonly mask: Pruned = $derived.by(() =>
    prune(this.prepared, this.view.nodeThreshold, this.view.edgeThreshold),
  );
  readonly scores: PartScores = $derived.by(() =>
    scoresOfPart(this.prepared, this.mask.node, this.mask.edge),
  );
  /** Scores of the pinned and grouped nodes, with the tokens and outputs; null where none is chosen. */
  readonly chosenScores: PartScores | null = $derived.by(() => {
    const { pins, groupOf } = this.annotations;
    if (!pins.size && !groupOf.size) return null;
    const chosen = Uint8Array.from(this.prepared.graph.kind, (kind, node) =>
      Number(kind >= TOKEN || pins.has(node) || groupOf.has(node)),
    );
    return scoresOfPart(this.prepared, chosen, null);
  });
  /** Share of all influence on the error nodes that are shown. */
  readonly errorShare: number = $derived.by(() => {
    const { graph, flow, totalInfluence } = this.prepared;
    const shown = nodesOfKind(graph, ERROR).filter((node) => this.mask.node[node]);
    return shown.reduce((sum, node) => sum + flow.influence[node], 0) / (totalInfluence || 1);
  });
  /** `≤ ` or `≥ ` where a file that was pruned before only bounds the scores; see `scoresOfPart`. */
  readonly scoreBound: string = $derived.by(() => {
    const { graph } = this.prepared;
    if (!knowsWhatIsMissing(graph)) return "≤ ";
    const prunes = this.view.nodeThreshold < 1 || this.view.edgeThreshold < 1;
    return graph.leftOut && prunes ? "≥ " : "";
  });

  private readonly prepared: Prepared;
  private readonly view: GraphView;
  private readonly annotations: Annotations;

  constructor(prepared: Prepared, view: GraphView, annotations: Annotations) {
    this.prepared = prepared;
    this.view = view;
    this.annotations = annotations;
  }
}
