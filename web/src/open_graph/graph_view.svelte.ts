/** The view of one graph: mode, thresholds, selection and camera, all of which the address holds, and highlights. */

import { TRACE_OPTIONS } from "../api/options.ts";
import type { TokenProbability } from "../api/types.ts";
import { FIRST_VIEW, type View } from "../app/address.ts";
import { nodesWithIds, type Graph } from "../graph/graph.ts";
import type { UndoHistory } from "./undo_history.svelte.ts";

/** Graphs of other tools with more nodes open pruned. */
const MOST_NODES_SHOWN_WHOLE = 2500;

/**
 * The thresholds that a graph opens with: those of its trace for a whole graph, as `Graph.prune` in Python has them,
 * and 1 for one that was pruned before.
 */
function firstThresholds({ info, isWhole, nNodes }: Graph): Pick<View, "nodeThreshold" | "edgeThreshold"> {
  if (info.whole !== null || (!isWhole && nNodes <= MOST_NODES_SHOWN_WHOLE))
    return { nodeThreshold: 1, edgeThreshold: 1 };
  const stored = (name: "node_threshold" | "edge_threshold") => {
    const value = info.settings[name];
    return typeof value === "number" && value > 0 && value <= 1 ? value : TRACE_OPTIONS[name].default;
  };
  return { nodeThreshold: stored("node_threshold"), edgeThreshold: stored("edge_threshold") };
}

export class GraphView {
  /** The whole view, as the address holds it. */
  all = $state.raw<View>(FIRST_VIEW);
  /** A path whose edges alone are drawn; any other selection ends that. */
  path = $state.raw<number[]>([]);
  /** Keys of the story's boxes on a path that is shown alone, from token to output. */
  storyPath = $state.raw<string[]>([]);
  /** Key of the story's box under the pointer, or with the keyboard's focus. */
  pointed = $state.raw<string | null>(null);
  hovered = $state.raw<number | null>(null);
  /** Nodes lit by an intervention or a search, with values from -1 to 1; all others are dimmed. */
  glow = $state.raw<Map<number, number> | null>(null);
  /** Probabilities of next tokens after the intervention on show. */
  answersAfter = $state.raw<readonly TokenProbability[] | null>(null);
  /** Activations of nodes before and after the intervention on show. */
  values = $state.raw<ReadonlyMap<number, readonly [before: number, after: number]> | null>(null);
  /** The intervention on show: its strength, its name, and a way back to the graph alone. */
  test = $state.raw<{ strength: number; title: string; leave: () => void } | null>(null);

  // Single fields, so that moving the camera does not prune anew.
  readonly mode = $derived(this.all.mode);
  readonly nodeThreshold = $derived(this.all.nodeThreshold);
  readonly edgeThreshold = $derived(this.all.edgeThreshold);
  readonly camera = $derived(this.all.camera);
  readonly unfolded = $derived(this.all.unfolded);
  readonly tab = $derived(this.all.tab);
  readonly group = $derived(this.all.group);
  readonly search = $derived(this.all.search);
  private readonly selectedIds = $derived(this.all.selected);
  readonly selected: number[] = $derived.by(() => nodesWithIds(this.graph, this.selectedIds));
  /** The node that the panel shows: the last selected one. */
  readonly current: number | null = $derived(this.selected.at(-1) ?? null);

  private readonly graph: Graph;
  private readonly history: UndoHistory;

  constructor(graph: Graph, history: UndoHistory, view: View) {
    this.graph = graph;
    this.history = history;
    this.show(view);
  }

  /** Show a view; thresholds of 0 mean the graph's first ones. */
  show(view: View): void {
    const first = firstThresholds(this.graph);
    this.leavePaths();
    this.all = {
      ...view,
      nodeThreshold: view.nodeThreshold || first.nodeThreshold,
      edgeThreshold: view.edgeThreshold || first.edgeThreshold,
    };
  }

  change(changes: Partial<View>): void {
    this.all = { ...this.all, ...changes };
  }

  /** A change that undo takes back: thresholds, mode, folds. Slider moves become one step. */
  changeUndoably(text: string, changes: Partial<View>): void {
    const names = Object.keys(changes) as (keyof View)[];
    const before: Partial<View> = Object.fromEntries(names.map((name) => [name, this.all[name]]));
    const slides = "nodeThreshold" in changes || "edgeThreshold" in changes;
    this.history.act({
      text,
      ...(slides && { merge: `view:${names.sort().join()}` }),
      kept: { kind: "view", back: before, forth: changes },
      undo: () => this.change(before),
      redo: () => this.change(changes),
    });
  }

  /** Select nodes; with `more`, add them to the selection, or remove a single one that is in it. */
  select(nodes: readonly number[], more = false): void {
    this.leavePaths();
    const ids = nodes.map((node) => this.graph.ids[node]);
    const before = this.selectedIds;
    const selected = !more
      ? ids
      : ids.length === 1 && before.includes(ids[0])
        ? before.filter((id) => id !== ids[0])
        : [...before.filter((id) => !ids.includes(id)), ...ids];
    const leavesAbout = nodes.length && !more && this.tab === "about";
    this.change({ selected, group: null, ...(leavesAbout && { tab: "node" }) });
  }

  selectGroup(key: string | null, members: readonly number[] = []): void {
    this.leavePaths();
    this.change({ group: key, selected: members.map((node) => this.graph.ids[node]) });
  }

  /** Show one path: its nodes selected, its edges in full, in the view that has them all. */
  showPath(nodes: readonly number[]): void {
    this.select(nodes);
    this.change({ tab: "paths", mode: "all" });
    this.path = [...nodes];
  }

  /** Show one path of the story alone. */
  showStoryPath(keys: readonly string[]): void {
    this.select([]);
    this.change({ tab: "paths", mode: "story" });
    this.storyPath = [...keys];
  }

  private leavePaths(): void {
    this.path = [];
    this.storyPath = [];
  }
}
