/** Write the names of nodes, tokens and outputs on the canvas of the link graph. */

import { probability } from "../format/numbers.ts";
import { FEATURE, targetOf, targetsByWeight } from "../graph/graph.ts";
import { colorOfRole, roleOfColumn } from "../graph/roles.ts";
import { visible } from "../graph/token_text.ts";
import { radiusOf, toX, toY, type Scene } from "./link_scene.ts";

export const SANS = "'Inter Variable', sans-serif";
const MONO = "12px 'JetBrains Mono Variable', monospace";
/** Pixels after which the name of an output is cut, so that it does not run into the tools above. */
const OUTPUT_ROOM = 60;
/** Pixels between the slanted names of two outputs. */
const LEAST_BETWEEN = 13;
/** Hints at most, for features without a label. */
const MOST_HINTS = 90;
/** Names of the most influential nodes that may lie on other nodes. */
const MOST_OVER_NODES = 10;

/** Tokens of the prompt along the bottom, under a line in the colour of their role in a chat. */
export function paintTokens(context: CanvasRenderingContext2D, scene: Scene): void {
  const { graph, layout, palette } = scene;
  const y = toY(scene, layout.height) + 6;
  // Spacing, however little, keeps "<|" from becoming one sign.
  context.letterSpacing = "0.01px";
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const column of layout.columns) {
    const x = toX(scene, column.left + column.width / 2);
    const room = column.width * scene.camera[0] - 4;
    const place = Math.min(y, scene.height - 16);
    context.font = MONO;
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
    const role = roleOfColumn(graph.info.roles, column.positions);
    if (role !== null) {
      context.fillStyle = palette[colorOfRole(role)];
      context.fillRect(x - room / 2, place - 4, Math.max(room, 2), 2);
    }
  }
  context.letterSpacing = "0px";
}

/** Outputs with their probabilities, slanted; where two names stand too close, the likelier one is written. */
export function paintTargets(context: CanvasRenderingContext2D, scene: Scene): void {
  const { graph, layout, palette, shownNode } = scene;
  context.font = MONO;
  context.textBaseline = "middle";
  context.textAlign = "left";
  const written: number[] = [];
  for (const node of targetsByWeight(graph)) {
    if (!shownNode[node] || Number.isNaN(layout.x[node])) continue;
    const place = toX(scene, layout.x[node]);
    if (written.some((other) => Math.abs(other - place) < LEAST_BETWEEN)) continue;
    written.push(place);
    const target = targetOf(graph, node);
    const share = target.probability ?? null;
    context.save();
    context.translate(place + 1, toY(scene, layout.y[node]) - radiusOf(scene, node) - 6);
    context.rotate(-Math.PI / 3.2);
    context.fillStyle = palette.ink;
    const text = fitText(context, visible(target.text), OUTPUT_ROOM);
    context.fillText(text, 0, 0);
    context.fillStyle = palette.quiet;
    if (share !== null) context.fillText(` ${probability(share)}`, context.measureText(text).width, 0);
    context.restore();
  }
}

/** Labels, and hints for features without one, where there is room; the most influential node goes first. */
export function paintLabels(context: CanvasRenderingContext2D, scene: Scene): void {
  const { graph, layout, palette } = scene;
  const room = new LabelRoom(scene.width, scene.height);
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (let node = 0; node < graph.nNodes; node++)
    if (scene.shownNode[node] && !Number.isNaN(layout.x[node])) {
      const r = radiusOf(scene, node);
      room.occupy(toX(scene, layout.x[node]) - r, toY(scene, layout.y[node]) - r, 2 * r, 2 * r);
    }
  let hintsLeft = MOST_HINTS;
  let overNodes = MOST_OVER_NODES;
  for (const node of scene.byInfluence) {
    if (!scene.shownNode[node] || graph.kind[node] !== FEATURE || Number.isNaN(layout.x[node])) continue;
    if (scene.glow && !scene.glow.has(node)) continue;
    const byRule = scene.isNamedByRule(node);
    const label = byRule ? null : scene.labelOf(node);
    const text = label ?? (hintsLeft > 0 ? (byRule ? scene.labelOf(node) : scene.hintOf(node)) : "");
    if (!text) continue;
    const x = toX(scene, layout.x[node]) + radiusOf(scene, node) + 3;
    const y = toY(scene, layout.y[node]);
    if (x < 0 || y < 0 || x > scene.width || y > scene.height) continue;
    context.font = label ? `550 12px ${SANS}` : `11px ${SANS}`;
    const shown = fitText(context, text, 150);
    const wide = context.measureText(shown).width;
    if (!room.take(x, y - 7, wide + 4, 14, label !== null || overNodes > 0)) continue;
    if (!label) hintsLeft--;
    overNodes--;
    context.fillStyle = palette.paper;
    context.globalAlpha = 0.82;
    context.fillRect(x - 1, y - 7, wide + 2, 14);
    context.globalAlpha = 1;
    context.fillStyle = label ? palette.ink : palette.quiet;
    context.fillText(shown, x, y);
  }
}

/** Left, top, width, height. */
type Box = [number, number, number, number];
/** Side of a cell (pixels). */
const CELL = 64;

/** The room for labels: the parts of the window that hold a node or a label already, found by square cells. */
class LabelRoom {
  private readonly nodes = new Map<number, Box[]>();
  private readonly labels = new Map<number, Box[]>();
  private readonly width: number;
  private readonly height: number;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
  }

  /** Note where a node stands. */
  occupy(x: number, y: number, width: number, height: number): void {
    for (const key of this.keys(x, y, width, height)) put(this.nodes, key, [x, y, width, height]);
  }

  /** Take room for a label, if it is free; with `onNodes`, room on nodes counts as free. */
  take(x: number, y: number, width: number, height: number, onNodes: boolean): boolean {
    if (x + width > this.width - 2 || y < 0 || y + height > this.height) return false;
    const keys = this.keys(x, y, width, height);
    for (const key of keys)
      for (const places of onNodes ? [this.labels] : [this.labels, this.nodes])
        for (const [left, top, wide, high] of places.get(key) ?? [])
          if (x < left + wide && left < x + width && y < top + high && top < y + height) return false;
    for (const key of keys) put(this.labels, key, [x, y, width, height]);
    return true;
  }

  private keys(x: number, y: number, width: number, height: number): number[] {
    const keys: number[] = [];
    for (let i = Math.floor(x / CELL); i <= Math.floor((x + width) / CELL); i++)
      for (let j = Math.floor(y / CELL); j <= Math.floor((y + height) / CELL); j++) keys.push(i * 4096 + j);
    return keys;
  }
}

function put<T>(places: Map<number, T[]>, key: number, item: T): void {
  const items = places.get(key);
  if (items) items.push(item);
  else places.set(key, [item]);
}

/** The text, cut with an ellipsis where it is wider than the room. */
function fitText(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  let [short, long] = [0, text.length];
  while (short < long) {
    const middle = (short + long + 1) >> 1;
    if (context.measureText(text.slice(0, middle) + "…").width <= room) short = middle;
    else long = middle - 1;
  }
  return short ? text.slice(0, short) + "…" : "";
}
