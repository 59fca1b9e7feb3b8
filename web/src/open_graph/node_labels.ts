/** Labels and titles of nodes: a person's label, else the index's, else the plain name. */

import type { AnnotationChanges, FeatureLabel } from "../api/types.ts";
import { toasts } from "../app/toasts.svelte.ts";
import { featureNameOf } from "../graph/feature.ts";
import { FEATURE, type Graph } from "../graph/graph.ts";
import { nodeName, promoted } from "../graph/node_names.ts";
import { featureKey, inverse, labelKey, labelOf } from "./annotation_document.ts";
import type { Annotations } from "./annotations.svelte.ts";
import type { FeatureIndex } from "./feature_index.svelte.ts";
import type { UndoHistory } from "./undo_history.svelte.ts";

/** The reach of a label: one position, all graphs of the library with these features, or the index. */
export type LabelScope = "position" | "library" | "index";

export class NodeLabels {
  private readonly graph: Graph;
  private readonly annotations: Annotations;
  private readonly index: FeatureIndex;
  private readonly history: UndoHistory;

  constructor(graph: Graph, annotations: Annotations, index: FeatureIndex, history: UndoHistory) {
    this.graph = graph;
    this.annotations = annotations;
    this.index = index;
    this.history = history;
  }

  /** A person's label in this graph, else the label in the index. */
  labelOf = (node: number): string | null =>
    this.personLabelOf(node) ?? this.indexLabelOf(node)?.text ?? null;

  /** A label, else the plain name. */
  titleOf = (node: number): string => this.labelOf(node) ?? nodeName(this.graph, node);

  /** A quiet addition to a title that no person gave: the plain name, or the promoted tokens. */
  asideOf = (node: number): string => {
    if (this.isNamedByRule(node)) return nodeName(this.graph, node);
    return this.labelOf(node) === null ? this.hintOf(node) : "";
  };

  /** The two tokens that a feature promotes most. */
  hintOf = (node: number): string =>
    promoted(this.graph, node, 2)
      .map((token) => token.trim())
      .filter(Boolean)
      .join(", ");

  /** The label of a feature in the index, even where a person's label in this graph goes before it. */
  indexLabelOf(node: number): FeatureLabel | null {
    if (this.graph.kind[node] !== FEATURE) return null;
    return this.index.labels[featureNameOf(this.graph, node)] ?? null;
  }

  /** The reach of the label that a node goes by; null where it has none. */
  scopeOf(node: number): LabelScope | null {
    if (this.annotations.values[labelKey(this.graph.ids[node])] !== undefined) return "position";
    if (this.personLabelOf(node) !== null) return "library";
    return this.indexLabelOf(node) && "index";
  }

  /** True for a node whose label was made from its tokens by a rule. */
  isNamedByRule = (node: number): boolean =>
    this.indexLabelOf(node)?.source === "tokens" && this.scopeOf(node) === "index";

  /**
   * Label a feature; an empty text removes the label. Labels with a narrower reach are removed, so that the new one
   * shows. Rejects where the index refuses it.
   */
  async set(node: number, text: string, scope: LabelScope): Promise<void> {
    const { values } = this.annotations;
    const step = `label ${nodeName(this.graph, node)}`;
    const own = labelKey(this.graph.ids[node]);
    const label = text.trim();
    if (scope === "position" || this.graph.kind[node] !== FEATURE)
      return this.annotations.change(step, { [own]: label || null });
    const feature = featureNameOf(this.graph, node);
    const removed = (...keys: string[]) =>
      Object.fromEntries(keys.filter((key) => key in values).map((key) => [key, null]));
    if (scope === "library")
      return this.annotations.change(step, { ...removed(own), [featureKey(feature)]: label || null });
    await this.setInIndex(step, feature, label, removed(own, featureKey(feature)));
  }

  private personLabelOf(node: number): string | null {
    return labelOf(this.graph, this.annotations.values, node);
  }

  private async setInIndex(
    step: string,
    feature: string,
    text: string,
    changes: AnnotationChanges,
  ): Promise<void> {
    const earlier = this.index.labels[feature];
    const before = earlier?.source === "person" ? earlier.text : "";
    const back = inverse(this.annotations.values, changes);
    const set = async (label: string, also: AnnotationChanges) => {
      await this.index.label(feature, label);
      if (Object.keys(also).length) this.annotations.apply(also);
    };
    const warned = (work: Promise<void>) => void work.catch((error: unknown) => toasts.warn(error));
    await set(text, changes);
    this.history.record({
      text: step,
      undo: () => warned(set(before, back)),
      redo: () => warned(set(text, changes)),
    });
  }
}
