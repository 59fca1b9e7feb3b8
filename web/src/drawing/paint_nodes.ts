/** Draw the link graph on a canvas: a still layer of nodes and the strongest edges, and the selection above. */

import { ERROR, FEATURE, TARGET, TOKEN, strengthens, type Graph } from "../graph/graph.ts";
import { targetOf, visible } from "../graph/node_names.ts";
import type { Layout } from "./link_layout.ts";
import type { Palette } from "./palette.ts";
import { probability } from "../format/numbers.ts";

export interface Scene {
  graph: Graph;
  layout: Layout;
  palette: Palette;
  /** Scale, then shift, from layout to window. */
  camera: [number, number, number];
  width: number;
  height: number;
  shownNode: Uint8Array;
  /** Places of the edges drawn at rest, strongest last. */
  restEdges: Int32Array;
  /** Target node of each of them. */
  restTargets: Int32Array;
  labelOf: (node: number) => string | null;
  /** Whether its label was made by rule, so that it is quieter than what somebody said. */
  isNamedByRule: (node: number) => boolean;
  /** What a node is called where nobody named it: the tokens that it writes towards. */
  hintOf: (node: number) => string;
  colorOf: (node: number) => string | null;
  isPinned: (node: number) => boolean;
  /** Nodes that a search or a trial lights up, with a value from -1 to 1; null lights up none. */
  glow: Map<number, number> | null;
  /** Nodes by influence, for labels. */
  byInfluence: Uint32Array;
}

const FULL = 2 * Math.PI;

export function paintStill(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, height, palette } = scene;
  context.clearRect(0, 0, width, height);
  context.textRendering = "optimizeSpeed"; // without ligatures, which turn <| into a triangle
  paintGround(context, scene);
  paintRestEdges(context, scene);
  paintNodes(context, scene);
  context.globalAlpha = 1;
  paintTokens(context, scene);
  paintTargets(context, scene);
  paintLabels(context, scene);
  context.fillStyle = palette.ink;
}

const across = (scene: Scene, x: number) => scene.camera[1] + scene.camera[0] * x;
const down = (scene: Scene, y: number) => scene.camera[2] + scene.camera[0] * y;

/** Faint columns, and the number of every fifth layer. */
function paintGround(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, palette, graph } = scene;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.globalAlpha = 0.55;
  context.beginPath();
  for (const column of layout.columns.slice(1)) {
    const x = Math.round(across(scene, column.left)) + 0.5;
    context.moveTo(x, Math.max(0, down(scene, 0)));
    context.lineTo(x, Math.min(scene.height, down(scene, layout.height)));
  }
  context.stroke();
  context.globalAlpha = 1;
  context.fillStyle = palette.faint;
  context.font = "10px 'Inter Variable', sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  const every = layout.bands.length > 12 ? 5 : 1;
  const x = Math.max(4, across(scene, 0) - 26);
  for (const band of layout.bands)
    if (band.layer >= 0 && band.layer < graph.nLayers && band.layer % every === 0)
      context.fillText(`L${band.layer}`, x, down(scene, band.top + band.height / 2));
}

function paintRestEdges(context: CanvasRenderingContext2D, scene: Scene): void {
  const { graph, restEdges, restTargets, palette } = scene;
  const n = restEdges.length;
  for (let place = 0; place < n; place++) {
    const edge = restEdges[place];
    const strength = (place + 1) / n;
    context.globalAlpha = 0.05 + 0.3 * strength ** 3;
    strokeEdge(
      context,
      scene,
      graph.source[edge],
      restTargets[place],
      graph.weight[edge],
      0.5 + strength,
      palette,
    );
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/** One edge as a curve; what weakens is dashed, so that colour is not all that tells. */
export function strokeEdge(
  context: CanvasRenderingContext2D,
  scene: Scene,
  source: number,
  target: number,
  weight: number,
  width: number,
  palette: Palette,
): void {
  const { x, y } = scene.layout;
  if (Number.isNaN(x[source]) || Number.isNaN(x[target])) return;
  const [x0, y0] = [across(scene, x[source]), down(scene, y[source])];
  const [x1, y1] = [across(scene, x[target]), down(scene, y[target])];
  const bend = (y0 - y1) * 0.4;
  const isStronger = strengthens(scene.graph, target, weight);
  context.strokeStyle = isStronger ? palette.raises : palette.lowers;
  context.lineWidth = width;
  context.setLineDash(isStronger ? [] : [4, 3]);
  context.beginPath();
  context.moveTo(x0, y0);
  context.bezierCurveTo(x0, y0 - bend, x1, y1 + bend, x1, y1);
  context.stroke();
}

/** Radius on the window: nodes grow slower than the picture does. */
export const radiusOf = (scene: Scene, node: number): number =>
  scene.layout.radius[node] * Math.min(1.9, Math.max(0.42, scene.camera[0] ** 0.75));

function paintNodes(context: CanvasRenderingContext2D, scene: Scene): void {
  const { graph, layout, palette, shownNode, glow } = scene;
  for (let node = 0; node < graph.nNodes; node++) {
    if (!shownNode[node] || Number.isNaN(layout.x[node])) continue;
    const x = across(scene, layout.x[node]);
    const y = down(scene, layout.y[node]);
    if (x < -20 || y < -20 || x > scene.width + 20 || y > scene.height + 20) continue;
    const lit = glow?.get(node);
    const isQuiet = glow !== null && lit === undefined;
    const color = scene.colorOf(node);
    context.globalAlpha = isQuiet ? 0.18 : graph.kind[node] === ERROR ? 0.75 : 1;
    tracePath(context, graph.kind[node], x, y, radiusOf(scene, node));
    if (graph.kind[node] === ERROR) {
      context.strokeStyle = palette.faint;
      context.lineWidth = 1;
      context.stroke();
      continue;
    }
    context.fillStyle = lit
      ? lit > 0
        ? palette.raises
        : palette.lowers
      : (color ?? (graph.kind[node] === FEATURE ? palette.feature : palette.ink));
    context.fill();
    if (scene.isPinned(node)) {
      tracePath(context, graph.kind[node], x, y, radiusOf(scene, node) + 2.5);
      context.strokeStyle = palette.accent;
      context.lineWidth = 1.4;
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}

/** Circle for features, diamond for errors, square for tokens, triangle for outputs. */
export function tracePath(
  context: CanvasRenderingContext2D,
  kind: number,
  x: number,
  y: number,
  r: number,
): void {
  context.beginPath();
  if (kind === FEATURE) context.arc(x, y, r, 0, FULL);
  else if (kind === TOKEN) context.rect(x - r, y - r, 2 * r, 2 * r);
  else {
    const corners: [number, number][] =
      kind === TARGET
        ? [
            [0, -1.25],
            [1.15, 0.85],
            [-1.15, 0.85],
          ]
        : [
            [0, -1.3],
            [1.3, 0],
            [0, 1.3],
            [-1.3, 0],
          ];
    corners.forEach(([dx, dy], place) =>
      place ? context.lineTo(x + dx * r, y + dy * r) : context.moveTo(x + dx * r, y + dy * r),
    );
    context.closePath();
  }
}

/** The prompt along the bottom, as it reads. */
function paintTokens(context: CanvasRenderingContext2D, scene: Scene): void {
  const { graph, layout, palette } = scene;
  const y = down(scene, layout.height) + 6;
  // Spacing, however little, keeps "<|" from becoming one sign.
  context.letterSpacing = "0.01px";
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const column of layout.columns) {
    const x = across(scene, column.left + column.width / 2);
    const room = column.width * scene.camera[0] - 4;
    const place = Math.min(y, scene.height - 16);
    context.font = "12px 'JetBrains Mono Variable', monospace";
    context.fillStyle = column.folded ? palette.quiet : palette.ink;
    const text = column.folded
      ? `…${column.positions.length}…`
      : visible(graph.info.tokens[column.positions[0]]);
    const fitted = fitText(context, text, Math.max(room, 14));
    const wide = context.measureText(fitted).width;
    context.save();
    context.globalAlpha = 0.88;
    context.fillStyle = palette.paper;
    context.fillRect(x - wide / 2 - 2, place - 2, wide + 4, 17);
    context.restore();
    context.fillText(fitted, x, place);
  }
  context.letterSpacing = "0px";
}

const OUTPUT_ROOM = 60;
/** Names of outputs are cut where they would run into what stands above (pixels). */

const LEAST_BETWEEN = 13;
/** Pixels between two slanted names; the likelier one is written. */

/** Outputs with their probabilities, slanted where they stand close. */
function paintTargets(context: CanvasRenderingContext2D, scene: Scene): void {
  const { graph, layout, palette, shownNode } = scene;
  context.font = "12px 'JetBrains Mono Variable', monospace";
  context.textBaseline = "middle";
  context.textAlign = "left";
  const written: number[] = [];
  const targets = Array.from(scene.layout.x, (_, node) => node).filter((node) => graph.kind[node] === TARGET);
  for (const node of targets.sort((one, other) => graph.activation[other] - graph.activation[one])) {
    if (!shownNode[node] || Number.isNaN(layout.x[node])) continue;
    const place = across(scene, layout.x[node]);
    if (written.some((other) => Math.abs(other - place) < LEAST_BETWEEN)) continue;
    written.push(place);
    const target = targetOf(graph, node);
    const share = target.probability ?? null;
    context.save();
    context.translate(
      across(scene, layout.x[node]) + 1,
      down(scene, layout.y[node]) - radiusOf(scene, node) - 6,
    );
    context.rotate(-Math.PI / 3.2);
    context.fillStyle = palette.ink;
    const text = fitText(context, visible(target.text), OUTPUT_ROOM);
    context.fillText(text, 0, 0);
    context.fillStyle = palette.quiet;
    if (share !== null) context.fillText(` ${probability(share)}`, context.measureText(text).width, 0);
    context.restore();
  }
}

/** Names where there is room: the most influential node wins, nothing overlaps. */
function paintLabels(context: CanvasRenderingContext2D, scene: Scene): void {
  const { graph, layout, palette } = scene;
  const taken = new Taken(scene.width, scene.height);
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (let node = 0; node < graph.nNodes; node++)
    if (scene.shownNode[node] && !Number.isNaN(layout.x[node])) {
      const r = radiusOf(scene, node);
      taken.occupy(across(scene, layout.x[node]) - r, down(scene, layout.y[node]) - r, 2 * r, 2 * r);
    }
  let automatic = MOST_HINTS;
  let above = FIRST_HINTS;
  for (const node of scene.byInfluence) {
    if (!scene.shownNode[node] || graph.kind[node] !== FEATURE || Number.isNaN(layout.x[node])) continue;
    if (scene.glow && !scene.glow.has(node)) continue;
    const byRule = scene.isNamedByRule(node);
    const label = byRule ? null : scene.labelOf(node);
    const text = label ?? (automatic > 0 ? (byRule ? scene.labelOf(node) : scene.hintOf(node)) : "");
    if (!text) continue;
    const x = across(scene, layout.x[node]) + radiusOf(scene, node) + 3;
    const y = down(scene, layout.y[node]);
    if (x < 0 || y < 0 || x > scene.width || y > scene.height) continue;
    context.font = label ? "550 12px 'Inter Variable', sans-serif" : "11px 'Inter Variable', sans-serif";
    const shown = fitText(context, text, 150);
    const wide = context.measureText(shown).width;
    if (!taken.take(x, y - 7, wide + 4, 14, label !== null || above > 0)) continue;
    if (!label) automatic--;
    above--;
    context.fillStyle = palette.paper;
    context.globalAlpha = 0.82;
    context.fillRect(x - 1, y - 7, wide + 2, 14);
    context.globalAlpha = 1;
    context.fillStyle = label ? palette.ink : palette.quiet;
    context.fillText(shown, x, y);
  }
}

const MOST_HINTS = 90;
const FIRST_HINTS = 10;
/** So many of the most influential nodes may have their names lie on other nodes. */

/** Which parts of the window hold a label, or a node, already. */
class Taken {
  private readonly nodes = new Map<number, [number, number, number, number][]>();
  private readonly cells = new Map<number, [number, number, number, number][]>();
  private readonly size = 64;

  private readonly width: number;
  private readonly height: number;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
  }

  occupy(x: number, y: number, width: number, height: number): void {
    for (const key of this.keys(x, y, width, height)) put(this.nodes, key, [x, y, width, height]);
  }

  take(x: number, y: number, width: number, height: number, onNodes: boolean): boolean {
    if (x + width > this.width - 2 || y < 0 || y + height > this.height) return false;
    const keys = this.keys(x, y, width, height);
    for (const key of keys)
      for (const places of onNodes ? [this.cells] : [this.cells, this.nodes])
        for (const [left, top, wide, high] of places.get(key) ?? [])
          if (x < left + wide && left < x + width && y < top + high && top < y + height) return false;
    for (const key of keys) put(this.cells, key, [x, y, width, height]);
    return true;
  }

  private keys(x: number, y: number, width: number, height: number): number[] {
    const found: number[] = [];
    for (let i = Math.floor(x / this.size); i <= Math.floor((x + width) / this.size); i++)
      for (let j = Math.floor(y / this.size); j <= Math.floor((y + height) / this.size); j++)
        found.push(i * 4096 + j);
    return found;
  }
}

function put<T>(places: Map<number, T[]>, key: number, item: T): void {
  const found = places.get(key);
  if (found) found.push(item);
  else places.set(key, [item]);
}

/** The text, cut with an ellipsis where it is wider than the room. */
export function fitText(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  let [short, long] = [0, text.length];
  while (short < long) {
    const middle = (short + long + 1) >> 1;
    if (context.measureText(text.slice(0, middle) + "…").width <= room) short = middle;
    else long = middle - 1;
  }
  return short ? text.slice(0, short) + "…" : "";
}

export interface Overlay {
  selected: readonly number[];
  hovered: number | null;
  focused: number | null;
  /** Edges of the selection: place, its target, and its share of the strongest (0 to 1). */
  edges: { edge: number; target: number; share: number }[];
  lasso: [number, number][] | null;
}

export function paintOverlay(context: CanvasRenderingContext2D, scene: Scene, overlay: Overlay): void {
  const { graph, layout, palette } = scene;
  context.clearRect(0, 0, scene.width, scene.height);
  for (const { edge, target, share } of overlay.edges) {
    context.globalAlpha = 0.12 + 0.83 * Math.sqrt(share);
    strokeEdge(
      context,
      scene,
      graph.source[edge],
      target,
      graph.weight[edge],
      0.6 + 3.2 * Math.sqrt(share),
      palette,
    );
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
  const ring = (node: number, color: string, extra: number, width: number) => {
    if (Number.isNaN(layout.x[node])) return;
    const [x, y] = [across(scene, layout.x[node]), down(scene, layout.y[node])];
    tracePath(context, graph.kind[node], x, y, radiusOf(scene, node) + extra);
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke();
  };
  for (const node of overlay.selected) ring(node, palette.accent, 3, 2.2);
  if (overlay.hovered !== null) ring(overlay.hovered, palette.ink, 2.5, 1.3);
  if (overlay.focused !== null) ring(overlay.focused, palette.accent, 6, 1);
  if (overlay.lasso) {
    context.beginPath();
    overlay.lasso.forEach(([x, y], place) => (place ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.fillStyle = palette.accent;
    context.globalAlpha = 0.08;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = palette.accent;
    context.lineWidth = 1;
    context.stroke();
  }
}
