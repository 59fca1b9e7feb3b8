/** A person's annotations as one flat document of keys and values, and what it says about a graph. */

import type { AnnotationChanges, AnnotationValues, NodeGroup, PlaceOfBox } from "../api/types.ts";
import { featureNameOf } from "../graph/feature.ts";
import { FEATURE, nodesWithIds, type FileAnnotations, type Graph } from "../graph/graph.ts";

export const labelKey = (id: string) => `label:${id}`;
export const featureKey = (feature: string) => `feature:${feature}`;
export const pinKey = (id: string) => `pin:${id}`;
export const groupKey = (id: string) => `group:${id}`;
/** The place of a box, which goes by `g:<group>` or `n:<node id>`. */
export const placeKey = (box: string) => `place:${box}`;

/** A person's group, its members as nodes of this graph. */
export interface NamedGroup {
  id: string;
  /** The group among boxes and in addresses: `g:<id>`. */
  key: string;
  name: string;
  color: string | null;
  members: number[];
}

/** The annotations of a file as the flat document. */
export function fromFile(annotations: FileAnnotations): AnnotationValues {
  const values: AnnotationValues = {};
  for (const [id, text] of Object.entries(annotations.labels)) values[labelKey(id)] = text;
  for (const [feature, text] of Object.entries(annotations.feature_labels))
    values[featureKey(feature)] = text;
  for (const id of annotations.pins) values[pinKey(id)] = true;
  annotations.supernodes.forEach(([name, members], place) => {
    values[groupKey(`file${place}`)] = { name, members, color: annotations.supernode_colors[name] ?? null };
    const box = annotations.supernode_places[name];
    if (box) values[placeKey(`g:file${place}`)] = box;
  });
  for (const [id, box] of Object.entries(annotations.node_places)) values[placeKey(`n:${id}`)] = box;
  return values;
}

/** The document after some changes; null removes a key. */
export function changed(values: AnnotationValues, changes: AnnotationChanges): AnnotationValues {
  const after = { ...values };
  for (const [key, value] of Object.entries(changes))
    if (value === null) delete after[key];
    else after[key] = value;
  return after;
}

/** The changes that take `changes` back. */
export const inverse = (values: AnnotationValues, changes: AnnotationChanges): AnnotationChanges =>
  Object.fromEntries(Object.keys(changes).map((key) => [key, values[key] ?? null]));

/** The keys of one kind without their prefix, such as the node ids of pins. */
const withPrefix = (values: AnnotationValues, prefix: string): string[] =>
  Object.keys(values)
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length));

export const groupsOf = (graph: Graph, values: AnnotationValues): NamedGroup[] =>
  withPrefix(values, "group:").map((id) => {
    const { name, color, members } = values[groupKey(id)] as NodeGroup;
    return { id, key: `g:${id}`, name, color, members: nodesWithIds(graph, members) };
  });

/** Chosen places, by the keys of boxes. */
export const placesOf = (values: AnnotationValues): Map<string, PlaceOfBox> =>
  new Map(withPrefix(values, "place:").map((box) => [box, values[placeKey(box)] as PlaceOfBox]));

export const pinsOf = (graph: Graph, values: AnnotationValues): Set<number> =>
  new Set(nodesWithIds(graph, withPrefix(values, "pin:")));

/** A person's label of a node: its own, else its feature's, else none. */
export function labelOf(graph: Graph, values: AnnotationValues, node: number): string | null {
  const own = values[labelKey(graph.ids[node])];
  if (typeof own === "string") return own;
  if (graph.kind[node] !== FEATURE) return null;
  const shared = values[featureKey(featureNameOf(graph, node))];
  return typeof shared === "string" ? shared : null;
}

/** A key in words, for a message. */
export function describeKey(key: string): string {
  const [kind, rest] = [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)];
  if (kind === "pin") return `the pin of ${rest}`;
  if (kind === "place") return "the place of a box";
  return kind === "group" ? "a group" : `the label of ${rest}`;
}
