/** The flat document of what a person added, key by key, and what the page makes of it. */

import type { AnnotationChanges, AnnotationValues, NodeGroup } from "../api/types.ts";
import { FEATURE, type FileAnnotations, type Graph } from "../graph/graph.ts";
import { featureName } from "../graph/node_names.ts";

export const labelKey = (id: string) => `label:${id}`;
export const featureKey = (feature: string) => `feature:${feature}`;
export const pinKey = (id: string) => `pin:${id}`;
export const groupKey = (id: string) => `group:${id}`;

/** A group of a person's, its members as nodes of this graph. */
export interface NamedGroup {
  id: string;
  name: string;
  color: string | null;
  members: number[];
}

/** A file's annotations as the flat document. */
export function fromFile(annotations: FileAnnotations): AnnotationValues {
  const values: AnnotationValues = {};
  for (const [id, text] of Object.entries(annotations.labels)) values[labelKey(id)] = text;
  for (const [feature, text] of Object.entries(annotations.feature_labels))
    values[featureKey(feature)] = text;
  for (const id of annotations.pins) values[pinKey(id)] = true;
  annotations.supernodes.forEach(([name, members], place) => {
    values[groupKey(`file${place}`)] = { name, members, color: annotations.supernode_colors[name] ?? null };
  });
  return values;
}

/** The document with some keys changed; null takes a key away. */
export function changed(values: AnnotationValues, changes: AnnotationChanges): AnnotationValues {
  const after = { ...values };
  for (const [key, value] of Object.entries(changes))
    if (value === null) delete after[key];
    else after[key] = value;
  return after;
}

/** What takes `changes` back again. */
export function inverse(values: AnnotationValues, changes: AnnotationChanges): AnnotationChanges {
  return Object.fromEntries(Object.keys(changes).map((key) => [key, values[key] ?? null]));
}

export function groupsOf(graph: Graph, values: AnnotationValues): NamedGroup[] {
  const found: NamedGroup[] = [];
  for (const [key, value] of Object.entries(values)) {
    if (!key.startsWith("group:")) continue;
    const { name, color, members } = value as NodeGroup;
    const nodes = members.map((id) => graph.indexOf.get(id)).filter((node) => node !== undefined);
    found.push({ id: key.slice("group:".length), name, color, members: nodes });
  }
  return found;
}

export function pinsOf(graph: Graph, values: AnnotationValues): Set<number> {
  const found = new Set<number>();
  for (const key of Object.keys(values)) {
    const node = key.startsWith("pin:") ? graph.indexOf.get(key.slice("pin:".length)) : undefined;
    if (node !== undefined) found.add(node);
  }
  return found;
}

/** A person's label of a node: its own, else its feature's, else none. */
export function labelOf(graph: Graph, values: AnnotationValues, node: number): string | null {
  const own = values[labelKey(graph.ids[node])];
  if (typeof own === "string") return own;
  if (graph.kind[node] !== FEATURE) return null;
  const shared = values[featureKey(featureName(graph, node))];
  return typeof shared === "string" ? shared : null;
}
