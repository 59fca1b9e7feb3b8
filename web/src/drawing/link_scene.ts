/** Everything that a drawing of the link graph shows, and how places in the layout become pixels. */

import type { Graph } from "../graph/graph.ts";
import type { SelectionEdge } from "./drawn_edges.ts";
import type { Layout } from "./link_layout.ts";
import type { Palette } from "./palette.ts";

export interface Scene {
  graph: Graph;
  layout: Layout;
  palette: Palette;
  /** Scale, then shift, from layout to window. */
  camera: [number, number, number];
  width: number;
  height: number;
  shownNode: Uint8Array;
  /** The edges drawn while nothing is selected, strongest last. */
  strongest: { edges: Int32Array; targets: Int32Array };
  labelOf: (node: number) => string | null;
  /** True for a label that was made by a rule; it is drawn quieter than one that somebody gave. */
  isNamedByRule: (node: number) => boolean;
  /** The name of a node that has no label: the tokens that it promotes. */
  hintOf: (node: number) => string;
  colorOf: (node: number) => string | null;
  isPinned: (node: number) => boolean;
  /** Nodes lit by a search or an intervention, with values from -1 to 1; null where none is lit. */
  glow: Map<number, number> | null;
  /** All nodes, most influential first: the order in which labels find room. */
  byInfluence: Uint32Array;
}

/** The layer above the scene: what changes with the pointer and the selection. */
export interface Overlay {
  selected: readonly number[];
  hovered: number | null;
  focused: number | null;
  edges: SelectionEdge[];
  lasso: [number, number][] | null;
}

export const toX = (scene: Scene, x: number) => scene.camera[1] + scene.camera[0] * x;
export const toY = (scene: Scene, y: number) => scene.camera[2] + scene.camera[0] * y;

/** Radius in pixels: nodes grow slower than the rest of the drawing. */
export const radiusOf = (scene: Scene, node: number): number =>
  scene.layout.radius[node] * Math.min(1.9, Math.max(0.42, scene.camera[0] ** 0.75));
