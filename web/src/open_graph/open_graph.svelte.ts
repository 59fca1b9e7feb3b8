/** One open graph: its arrays, what a person added to it, how it is looked at, and how to take things back. */

import type {
  AnnotationChanges,
  AnnotationValues,
  NodeGroup,
  FeatureLabel,
  TokenProbability,
} from "../api/types.ts";
import { FEATURE, TOKEN, type Graph } from "../graph/graph.ts";
import { featureName, nodeName, promoted } from "../graph/node_names.ts";
import { strongestFirst } from "../graph/influence.ts";
import { prepare, type Prepared } from "../graph/prepared_graph.ts";
import { prune, type Pruned } from "../graph/prune.ts";
import { scoresOfPart, type PartScores } from "../graph/scores.ts";
import type { Suggestion, Summary } from "../graph/summary.ts";
import { toasts } from "../app/toasts.svelte.ts";
import { GROUP_COLORS } from "../drawing/palette.ts";
import { FIRST_VIEW, type View } from "../app/address.ts";
import {
  changed,
  featureKey,
  fromFile,
  groupKey,
  groupsOf,
  inverse,
  labelKey,
  labelOf,
  pinKey,
  pinsOf,
  type NamedGroup,
} from "./annotation_document.ts";
import type { EmbeddedIndex } from "./embedded_graph.ts";
import { emptyHistory, record, redo, undo, type History, type Step } from "./undo_history.ts";
import { FeatureIndex } from "./feature_index.svelte.ts";
import { makeSaver, type Saver, type SavingState } from "./annotation_saver.ts";

/** Shares of the influence that a whole graph is first shown with; a pruned one is shown as it is. */
const SHOWN_WHOLE = 2500;
/** A graph of at most so many nodes is shown as it is. */
const FIRST_THRESHOLDS = { node: 0.8, edge: 0.98 };

/** Where a label holds: at one position, in all graphs of the library with these features, or in the index. */
export type Scope = "position" | "library" | "index";

export class Session {
  readonly graph: Graph;
  readonly id: string | null;
  readonly prepared!: Prepared;
  readonly byInfluence: Uint32Array;
  readonly firstThresholds: { node: number; edge: number };
  /** How large the stored graph is, where the page holds only its strongest part. */
  readonly stored: { nodes: number; edges: number };
  /** What the features fire on, and are called in the index of example texts. */
  readonly featureIndex: FeatureIndex;

  values = $state.raw<AnnotationValues>({});
  view = $state.raw<View>(FIRST_VIEW);
  history = $state.raw<History>(emptyHistory());
  saving = $state.raw<{ state: SavingState; reason: string }>({ state: "saved", reason: "" });
  summary = $state.raw<Summary | null>(null);
  suggestions = $state.raw<Suggestion[]>([]);
  /** Nodes lit by a trial or a search, from -1 to 1. */
  glow = $state.raw<Map<number, number> | null>(null);
  /** Probabilities of next tokens after a trial, while its result is on show. */
  answeredAfter = $state.raw<readonly TokenProbability[] | null>(null);
  hovered = $state.raw<number | null>(null);
  /** A path that is shown by its edges alone; selecting anything else ends that. */
  path = $state.raw<number[]>([]);
  /** Suggested groups that were declined, by their members. */
  declined = $state.raw<ReadonlySet<string>>(new Set());
  /** A node whose label is to be edited as soon as the panel shows it. */
  labelling = $state.raw<number | null>(null);
  /** Nodes for which a name of a new group is asked. */
  grouping = $state.raw<number[] | null>(null);

  // Single fields of the view, so that moving the camera does not prune anew.
  readonly nodeThreshold = $derived(this.view.nodeThreshold);
  readonly edgeThreshold = $derived(this.view.edgeThreshold);
  readonly camera = $derived(this.view.camera);
  readonly unfolded = $derived(this.view.unfolded);
  readonly selectedIds = $derived(this.view.selected);

  readonly groups: NamedGroup[] = $derived.by(() => groupsOf(this.graph, this.values));
  readonly pins: Set<number> = $derived.by(() => pinsOf(this.graph, this.values));
  readonly groupOf: Map<number, NamedGroup> = $derived.by(
    () => new Map(this.groups.flatMap((group) => group.members.map((node) => [node, group] as const))),
  );
  readonly shown: Pruned = $derived.by(() => prune(this.prepared, this.nodeThreshold, this.edgeThreshold));
  readonly scores: PartScores = $derived.by(() =>
    scoresOfPart(this.prepared, this.shown.node, this.shown.edge),
  );
  readonly selected: number[] = $derived.by(() =>
    this.selectedIds.map((id) => this.graph.indexOf.get(id)).filter((node) => node !== undefined),
  );
  /** Pinned and grouped nodes, with what the graph begins and ends with. */
  readonly chosen: Uint8Array | null = $derived.by(() => {
    if (!this.pins.size && !this.groupOf.size) return null;
    return Uint8Array.from(this.graph.kind, (kind, node) =>
      Number(kind >= TOKEN || this.pins.has(node) || this.groupOf.has(node)),
    );
  });
  readonly chosenScores: PartScores | null = $derived(
    this.chosen && scoresOfPart(this.prepared, this.chosen, null),
  );
  /** The node that the panel shows. */
  readonly current: number | null = $derived(this.selected.at(-1) ?? null);

  private saver: Saver | null = null;
  private readonly everything: number;

  constructor(
    graph: Graph,
    id: string | null,
    view: View,
    stored?: { nodes: number; edges: number },
    index?: EmbeddedIndex | null,
  ) {
    this.graph = graph;
    this.id = id;
    this.featureIndex = new FeatureIndex(id, graph.info, index);
    this.prepared = prepare(graph);
    this.everything = this.prepared.flow.found.reduce((sum, found) => sum + found, 0) || 1;
    this.stored = stored?.nodes ? stored : { nodes: graph.nNodes, edges: graph.nEdges };
    this.byInfluence = strongestFirst(this.prepared.flow.found);
    const pruned = graph.info.whole !== null || graph.nNodes <= SHOWN_WHOLE;
    this.firstThresholds = pruned ? { node: 1, edge: 1 } : FIRST_THRESHOLDS;
    this.values = fromFile(graph.annotations);
    this.showView(view);
  }

  /** Fetch what is stored of the annotations and keep them in step from now on. */
  async follow(): Promise<void> {
    if (this.id === null) return;
    this.saver = makeSaver(this.id, {
      onOthers: (changes) => (this.values = changed(this.values, changes)),
      onConflict: (conflicts) => {
        this.values = changed(this.values, conflicts);
        const what = Object.keys(conflicts).map(toldKey).join(", ");
        toasts.warn(
          `Changed on another page at the same time: ${what}. The other page's is kept; undo brings yours back.`,
        );
      },
      onState: (state, reason) => (this.saving = { state, reason }),
    });
    [this.values] = await Promise.all([this.saver.begin(), this.featureIndex.fetch()]);
  }

  refresh(): void {
    this.saver?.refresh();
  }

  settled(): Promise<void> {
    return this.saver?.settled() ?? Promise.resolve();
  }

  // Looking

  showView(view: View): void {
    this.path = [];
    this.view = {
      ...view,
      nodeThreshold: view.nodeThreshold || this.firstThresholds.node,
      edgeThreshold: view.edgeThreshold || this.firstThresholds.edge,
    };
  }

  look(changes: Partial<View>): void {
    this.view = { ...this.view, ...changes };
  }

  /** A change of the view that undo takes back: thresholds, the kind of view, folds. */
  lookUndoably(text: string, changes: Partial<View>): void {
    const before = Object.fromEntries(
      Object.keys(changes).map((name) => [name, this.view[name as keyof View]]),
    ) as Partial<View>;
    this.look(changes);
    const slides = "nodeThreshold" in changes || "edgeThreshold" in changes;
    this.history = record(this.history, {
      text,
      ...(slides && { merge: `view:${Object.keys(changes).sort().join()}` }),
      undo: () => this.look(before),
      redo: () => this.look(changes),
    });
  }

  /** Select nodes; `more` adds to what is selected, or takes away what already is. */
  select(nodes: readonly number[], more = false): void {
    this.path = [];
    const ids = nodes.map((node) => this.graph.ids[node]);
    const before = this.view.selected;
    const selected = !more
      ? ids
      : ids.length === 1 && before.includes(ids[0])
        ? before.filter((id) => id !== ids[0])
        : [...before.filter((id) => !ids.includes(id)), ...ids];
    this.look({ selected, group: null, ...(nodes.length && !more ? { tab: tabFor(this.view) } : {}) });
  }

  /** Show one path: its nodes selected, its edges in full, in a view that has them. */
  showPath(nodes: readonly number[]): void {
    this.select(nodes);
    this.look({ tab: "paths", ...(this.view.mode === "all" ? {} : { mode: "all" as const }) });
    this.path = [...nodes];
  }

  decline(suggestion: string, name: string): void {
    const before = this.declined;
    const after = new Set([...before, suggestion]);
    this.act({
      text: `decline “${name}”`,
      undo: () => (this.declined = before),
      redo: () => (this.declined = after),
    });
  }

  selectGroup(key: string | null, members: readonly number[] = []): void {
    this.path = [];
    this.look({ group: key, selected: members.map((node) => this.graph.ids[node]) });
  }

  /** Share of all influence in this graph that goes through a node: that on features, errors and tokens. */
  shareOf = (node: number): number => this.prepared.flow.found[node] / this.everything;

  // Names

  /** A person's label in this graph, else what the index calls the feature. */
  labelOf = (node: number): string | null =>
    labelOf(this.graph, this.values, node) ?? this.indexLabelOf(node)?.text ?? null;

  /** What the index calls a feature, whether or not a person's label in this graph goes before it. */
  indexLabelOf(node: number): FeatureLabel | null {
    if (this.graph.kind[node] !== FEATURE) return null;
    return this.featureIndex.labels[featureName(this.graph, node)] ?? null;
  }

  /** Where the label that a node goes by was given; null where it has none. */
  scopeOf(node: number): Scope | null {
    if (this.hasOwnLabel(node)) return "position";
    if (labelOf(this.graph, this.values, node) !== null) return "library";
    return this.indexLabelOf(node) && "index";
  }

  /** Whether a node goes by a label that was made from its tokens, by rule. */
  isNamedByRule = (node: number): boolean =>
    this.indexLabelOf(node)?.source === "tokens" && this.scopeOf(node) === "index";

  /** A label, else the plain name. */
  titleOf = (node: number): string => this.labelOf(node) ?? nodeName(this.graph, node);

  /** What stands quietly beside a node's title: what a title that nobody gave leaves open. */
  asideOf = (node: number): string => {
    if (this.isNamedByRule(node)) return nodeName(this.graph, node);
    return this.labelOf(node) === null ? this.hintOf(node) : "";
  };

  hintOf = (node: number): string => {
    const tokens = promoted(this.graph, node, 2).map((token) => token.trim());
    return tokens.filter(Boolean).join(", ");
  };

  // Changing

  /** Do something that undo takes back. */
  act(step: Step): void {
    step.redo();
    this.history = record(this.history, step);
  }

  change(text: string, changes: AnnotationChanges): void {
    const back = inverse(this.values, changes);
    const changesNothing = Object.keys(changes).every((key) => same(changes[key], back[key]));
    if (changesNothing) return;
    this.act({
      text,
      undo: () => this.apply(back),
      redo: () => this.apply(changes),
    });
  }

  private apply(changes: AnnotationChanges): void {
    this.values = changed(this.values, changes);
    this.saver?.save(changes);
  }

  undo(): void {
    const step = this.history.done.at(-1);
    this.history = undo(this.history);
    if (step) toasts.tell(`Undone: ${step.text}`, { label: "Redo", run: () => this.redo() });
  }

  redo(): void {
    const step = this.history.undone.at(-1);
    this.history = redo(this.history);
    if (step) toasts.tell(`Done again: ${step.text}`, { label: "Undo", run: () => this.undo() });
  }

  /**
   * Name a feature; an empty text unnames it. Labels that hold more narrowly go, so that the new one is seen. Rejects
   * where the index does not take it.
   */
  async label(node: number, text: string, scope: Scope): Promise<void> {
    const step = `label ${nodeName(this.graph, node)}`;
    const own = labelKey(this.graph.ids[node]);
    const said = text.trim();
    if (scope === "position" || this.graph.kind[node] !== FEATURE)
      return this.change(step, { [own]: said || null });
    const feature = featureName(this.graph, node);
    const narrower = (...keys: string[]) =>
      Object.fromEntries(keys.filter((key) => key in this.values).map((key) => [key, null]));
    if (scope === "library")
      return this.change(step, { ...narrower(own), [featureKey(feature)]: said || null });
    await this.labelInIndex(step, feature, said, narrower(own, featureKey(feature)));
  }

  private async labelInIndex(
    step: string,
    feature: string,
    text: string,
    changes: AnnotationChanges,
  ): Promise<void> {
    const known = this.featureIndex.labels[feature];
    const before = known?.source === "person" ? known.text : "";
    const back = inverse(this.values, changes);
    const set = async (to: string, also: AnnotationChanges) => {
      await this.featureIndex.label(feature, to);
      if (Object.keys(also).length) this.apply(also);
    };
    const told = (work: Promise<void>) => void work.catch((error: unknown) => toasts.warn(error));
    await set(text, changes);
    this.history = record(this.history, {
      text: step,
      undo: () => told(set(before, back)),
      redo: () => told(set(text, changes)),
    });
  }

  hasOwnLabel(node: number): boolean {
    return this.values[labelKey(this.graph.ids[node])] !== undefined;
  }

  /** The nodes of one feature, at all positions where it is in the graph. */
  sameFeature(node: number): number[] {
    const { kind, layer, feature } = this.graph;
    return Array.from(this.byInfluence).filter(
      (other) => kind[other] === FEATURE && layer[other] === layer[node] && feature[other] === feature[node],
    );
  }

  /** Ask for a name of a group of the selected nodes; outputs and tokens may be members as well. */
  askForGroup(nodes: readonly number[] = this.selected): void {
    if (nodes.length) this.grouping = [...nodes];
    else toasts.tell("Select nodes first: click one, then others with Shift held.");
  }

  togglePins(nodes: readonly number[]): void {
    if (!nodes.length) return;
    const pin = !nodes.every((node) => this.pins.has(node));
    const changes = Object.fromEntries(
      nodes.map((node) => [pinKey(this.graph.ids[node]), pin ? (true as const) : null]),
    );
    this.change(`${pin ? "pin" : "unpin"} ${this.countOf(nodes)}`, changes);
  }

  /** Put nodes into a new group; they leave the groups that they are in. Returns the group's id. */
  group(nodes: readonly number[], name: string): string {
    const id = Math.random().toString(36).slice(2, 10);
    const color = GROUP_COLORS[this.groups.length % GROUP_COLORS.length];
    this.change(`group “${name}”`, {
      ...this.without(nodes, null),
      [groupKey(id)]: { name, members: nodes.map((node) => this.graph.ids[node]), color },
    });
    return id;
  }

  addToGroup(id: string, nodes: readonly number[]): void {
    const group = this.values[groupKey(id)] as NodeGroup | undefined;
    if (!group) return;
    const members = [...new Set([...group.members, ...nodes.map((node) => this.graph.ids[node])])];
    this.change(`add to “${group.name}”`, {
      ...this.without(nodes, id),
      [groupKey(id)]: { ...group, members },
    });
  }

  leaveGroups(nodes: readonly number[]): void {
    this.change(`take ${this.countOf(nodes)} out of its group`, this.without(nodes, null));
  }

  editGroup(id: string, changes: Partial<NodeGroup>): void {
    const group = this.values[groupKey(id)] as NodeGroup | undefined;
    if (group) this.change(`change group “${group.name}”`, { [groupKey(id)]: { ...group, ...changes } });
  }

  ungroup(id: string): void {
    const group = this.values[groupKey(id)] as NodeGroup | undefined;
    if (group) this.change(`ungroup “${group.name}”`, { [groupKey(id)]: null });
  }

  /** Changes that take nodes out of every group but one; a group that becomes empty goes. */
  private without(nodes: readonly number[], but: string | null): AnnotationChanges {
    const leaving = new Set(nodes.map((node) => this.graph.ids[node]));
    const changes: AnnotationChanges = {};
    for (const { id } of this.groups) {
      const group = this.values[groupKey(id)] as NodeGroup;
      const members = group.members.filter((member) => !leaving.has(member));
      if (id === but || members.length === group.members.length) continue;
      changes[groupKey(id)] = members.length ? { ...group, members } : null;
    }
    return changes;
  }

  private countOf(nodes: readonly number[]): string {
    return nodes.length === 1 ? nodeName(this.graph, nodes[0]) : `${nodes.length} nodes`;
  }
}

const tabFor = (view: View): View["tab"] => (view.tab === "about" ? "node" : view.tab);

/** Deep equality of annotation values. */
const same = (one: unknown, other: unknown): boolean =>
  one === other || JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

function toldKey(key: string): string {
  const [kind, rest] = [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)];
  return (
    { label: `the label of ${rest}`, feature: `the label of ${rest}`, pin: `the pin of ${rest}` }[kind] ??
    "a group"
  );
}
