/** A person's annotations of one graph: pins, groups and labels, changed with undo and saved as they change. */

import type { AnnotationChanges, AnnotationValues, NodeGroup, PlaceOfBox } from "../api/types.ts";
import { toasts } from "../app/toasts.svelte.ts";
import { GROUP_COLORS } from "../drawing/palette.ts";
import type { Graph } from "../graph/graph.ts";
import { nodeName } from "../graph/node_names.ts";
import {
  changed,
  describeKey,
  fromFile,
  groupKey,
  groupsOf,
  inverse,
  pinKey,
  pinsOf,
  placeKey,
  placesOf,
  type NamedGroup,
} from "./annotation_document.ts";
import { makeSaver, type Saver, type SavingState } from "./annotation_saver.ts";
import type { UndoHistory } from "./undo_history.svelte.ts";

export class Annotations {
  values = $state.raw<AnnotationValues>({});
  saving = $state.raw<{ state: SavingState; reason: string }>({ state: "saved", reason: "" });
  readonly groups: NamedGroup[] = $derived.by(() => groupsOf(this.graph, this.values));
  readonly pins: Set<number> = $derived.by(() => pinsOf(this.graph, this.values));
  readonly places: ReadonlyMap<string, PlaceOfBox> = $derived.by(() => placesOf(this.values));
  readonly groupOf: Map<number, NamedGroup> = $derived.by(
    () => new Map(this.groups.flatMap((group) => group.members.map((node) => [node, group] as const))),
  );
  private readonly graph: Graph;
  private readonly history: UndoHistory;
  private saver: Saver | null = null;

  constructor(graph: Graph, history: UndoHistory) {
    this.graph = graph;
    this.history = history;
    this.values = fromFile(graph.annotations);
  }

  /** Fetch the stored annotations of graph `id`, and save every change from now on. */
  async follow(id: string): Promise<void> {
    this.saver = makeSaver(id, {
      onOthers: (changes) => (this.values = changed(this.values, changes)),
      onConflict: (conflicts) => {
        this.values = changed(this.values, conflicts);
        const keys = Object.keys(conflicts).map(describeKey).join(", ");
        toasts.warn(
          `Another page changed ${keys} at the same time. Its version is kept; undo brings yours back.`,
        );
      },
      onState: (state, reason) => (this.saving = { state, reason }),
    });
    this.values = await this.saver.begin();
  }

  /** Fetch what other pages changed. */
  refresh(): void {
    this.saver?.refresh();
  }

  /** Resolves when all changes are saved. */
  settled(): Promise<void> {
    return this.saver?.settled() ?? Promise.resolve();
  }

  /** Change the document and save it, without a step in the history. */
  apply(changes: AnnotationChanges): void {
    this.values = changed(this.values, changes);
    this.saver?.save(changes);
  }

  /** Change the document in a step that undo takes back. */
  change(text: string, changes: AnnotationChanges): void {
    const back = inverse(this.values, changes);
    if (Object.keys(changes).every((key) => same(changes[key], back[key]))) return;
    this.history.act({
      text,
      kept: { kind: "annotations", back, forth: changes },
      undo: () => this.apply(back),
      redo: () => this.apply(changes),
    });
  }

  /** Pin nodes, or unpin them if all are pinned. */
  togglePins(nodes: readonly number[]): void {
    if (!nodes.length) return;
    const pin = !nodes.every((node) => this.pins.has(node));
    const changes = nodes.map((node) => [pinKey(this.graph.ids[node]), pin || null] as const);
    this.change(
      `${pin ? "pin" : "unpin"} ${this.describe(nodes)}`,
      Object.fromEntries(changes) as AnnotationChanges,
    );
  }

  /** Put nodes into a new group; they leave the groups that they are in. Returns the group's id. */
  addGroup(nodes: readonly number[], name: string): string {
    const id = Math.random().toString(36).slice(2, 10);
    const color = GROUP_COLORS[this.groups.length % GROUP_COLORS.length];
    const said = this.whatLeaves(nodes, id, name);
    this.change(`group “${name}”`, {
      ...this.without(nodes, null),
      [groupKey(id)]: { name, members: nodes.map((node) => this.graph.ids[node]), color },
    });
    this.tell(said);
    return id;
  }

  addToGroup(id: string, nodes: readonly number[]): void {
    const group = this.stored(id);
    if (!group) return;
    const members = [...new Set([...group.members, ...nodes.map((node) => this.graph.ids[node])])];
    const said = this.whatLeaves(nodes, id, group.name);
    this.change(`add to “${group.name}”`, {
      ...this.without(nodes, id),
      [groupKey(id)]: { ...group, members },
    });
    this.tell(said);
  }

  leaveGroups(nodes: readonly number[]): void {
    const said = this.whatLeaves(nodes, null, null);
    this.change(`take ${this.describe(nodes)} out of its group`, this.without(nodes, null));
    this.tell(said);
  }

  editGroup(id: string, changes: Partial<NodeGroup>): void {
    const group = this.stored(id);
    if (group) this.change(`change group “${group.name}”`, { [groupKey(id)]: { ...group, ...changes } });
  }

  ungroup(id: string): void {
    const group = this.stored(id);
    if (group) this.change(`ungroup “${group.name}”`, { [groupKey(id)]: null });
  }

  /** Keep places of boxes by their keys; null gives a box back to the automatic layout. */
  place(text: string, places: ReadonlyMap<string, PlaceOfBox | null>): void {
    this.change(text, Object.fromEntries([...places].map(([box, place]) => [placeKey(box), place])));
  }

  private stored(id: string): NodeGroup | undefined {
    return this.values[groupKey(id)] as NodeGroup | undefined;
  }

  /** Changes that take nodes out of every group except one; a group that becomes empty goes. */
  private without(nodes: readonly number[], except: string | null): AnnotationChanges {
    const leaving = new Set(nodes.map((node) => this.graph.ids[node]));
    const changes: AnnotationChanges = {};
    for (const { id } of this.groups) {
      const group = this.stored(id)!;
      const members = group.members.filter((member) => !leaving.has(member));
      if (id === except || members.length === group.members.length) continue;
      changes[groupKey(id)] = members.length ? { ...group, members } : null;
    }
    return changes;
  }

  /** Sentences on the groups that nodes leave, for one of that name or for none, and on those that end with it. */
  private whatLeaves(nodes: readonly number[], except: string | null, to: string | null): string {
    const sentences: string[] = [];
    for (const { id, name, members } of this.groups) {
      const leaving = id === except ? [] : members.filter((member) => nodes.includes(member));
      if (!leaving.length) continue;
      const [stored, here] = [this.stored(id)!.members.length, leaving.length];
      if (to !== null) sentences.push(`${sentence(this.describe(leaving))} moved from “${name}” to “${to}”.`);
      if (stored === here) sentences.push(`“${name}” has no nodes left and is gone.`);
    }
    return sentences.join(" ");
  }

  private tell(text: string): void {
    if (text) toasts.tell(text, { label: "Undo", run: () => this.history.undo() });
  }

  private describe(nodes: readonly number[]): string {
    return nodes.length === 1 ? nodeName(this.graph, nodes[0]) : `${nodes.length} nodes`;
  }
}

const sentence = (text: string): string => text[0].toUpperCase() + text.slice(1);

const same = (one: unknown, other: unknown): boolean =>
  one === other || JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
