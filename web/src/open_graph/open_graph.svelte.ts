/** One open graph, and the state that its page keeps: each part guards its own. */

import type { AnnotationChanges } from "../api/types.ts";
import { toasts } from "../app/toasts.svelte.ts";
import type { View } from "../app/address.ts";
import { FEATURE, type Graph } from "../graph/graph.ts";
import { outputShare, strongestFirst } from "../graph/influence.ts";
import { prepare, type Prepared } from "../graph/prepared_graph.ts";
import { Annotations } from "./annotations.svelte.ts";
import type { EmbeddedIndex } from "./embedded_graph.ts";
import { FeatureIndex } from "./feature_index.svelte.ts";
import { GraphView } from "./graph_view.svelte.ts";
import { NodeLabels } from "./node_labels.ts";
import { ServerGroups } from "./server_groups.svelte.ts";
import { PrunedGraph } from "./pruned_graph.svelte.ts";
import { UndoHistory } from "./undo_history.svelte.ts";

export class OpenGraph {
  readonly graph: Graph;
  /** Its id in the library; null on a page that was exported as one file. */
  readonly id: string | null;
  readonly prepared: Prepared;
  readonly byInfluence: Uint32Array;
  /** Size of the stored graph; the page may hold only its strongest part. */
  readonly stored: { nodes: number; edges: number };

  readonly history = new UndoHistory();
  readonly serverGroups = new ServerGroups(this.history);
  readonly featureIndex: FeatureIndex;
  readonly annotations: Annotations;
  readonly labels: NodeLabels;
  readonly view: GraphView;
  readonly pruned: PrunedGraph;

  /** A node whose label is edited as soon as the panel shows it. */
  labelling = $state.raw<number | null>(null);
  /** Nodes for which the name of a new group is asked. */
  grouping = $state.raw<number[] | null>(null);

  constructor(
    graph: Graph,
    id: string | null,
    view: View,
    stored?: { nodes: number; edges: number },
    index?: EmbeddedIndex | null,
  ) {
    this.graph = graph;
    this.id = id;
    this.prepared = prepare(graph);
    this.byInfluence = strongestFirst(graph.influence);
    this.stored = stored?.nodes ? stored : { nodes: graph.nNodes, edges: graph.nEdges };
    this.featureIndex = new FeatureIndex(id, graph.info, index);
    this.annotations = new Annotations(graph, this.history);
    this.labels = new NodeLabels(graph, this.annotations, this.featureIndex, this.history);
    this.view = new GraphView(graph, this.history, view);
    this.pruned = new PrunedGraph(this.prepared, this.view, this.annotations);
  }

  /** Fetch annotations and the index, and keep in step with what is stored. */
  async follow(): Promise<void> {
    if (this.id === null) return;
    await Promise.all([this.annotations.follow(this.id), this.featureIndex.fetch()]);
    this.history.keepUnder(`clew-undo:${this.id}`, {
      annotations: (changes: AnnotationChanges) => this.annotations.apply(changes),
      view: (changes: Partial<View>) => this.view.change(changes),
    });
  }

  /** A node's influence: the share of the outputs that flows through it, over all paths. */
  influenceOf = (node: number): number => outputShare(this.graph, node);

  /** The part of all nodes' influence that some nodes have together; of all nodes it is 1. */
  shareOf = (...nodes: readonly number[]): number => {
    const { flow, totalInfluence } = this.prepared;
    return nodes.reduce((sum, node) => sum + flow.influence[node], 0) / (totalInfluence || 1);
  };

  /** The nodes of one feature, at all positions where the graph has it. */
  sameFeature(node: number): number[] {
    const { kind, layer, feature } = this.graph;
    return Array.from(this.byInfluence).filter(
      (other) => kind[other] === FEATURE && layer[other] === layer[node] && feature[other] === feature[node],
    );
  }

  /** Ask for the name of a new group; outputs and tokens may be members as well. */
  askForGroup(nodes: readonly number[] = this.view.selected): void {
    if (nodes.length) this.grouping = [...nodes];
    else toasts.tell("Select nodes first: click one, then Shift-click others.");
  }
}
