/** Boxes that a person moves, aligns and resizes; each step can be undone, and is kept with the annotations. */

import type { PlaceOfBox } from "../api/types.ts";
import type { OpenGraph } from "../open_graph/open_graph.svelte.ts";
import { LEAST_WIDTH, type PlacedBox } from "./box_layout.ts";

export type Alignment = "left" | "centres" | "row";

/** Pixels of the drawing to which moved boxes snap, and by which keys move them. */
const GRID = 4;
const KEY_STEP = 8;
const LEAST_HEIGHT = 24;

export class BoxArrangement {
  /** Keys of the boxes that Shift-click picked to align. */
  picked = $state.raw<ReadonlySet<string>>(new Set());
  private readonly openGraph: OpenGraph;

  constructor(openGraph: OpenGraph) {
    this.openGraph = openGraph;
  }

  pick(key: string): void {
    const next = new Set(this.picked);
    if (!next.delete(key)) next.add(key);
    this.picked = next;
  }

  unpick(): void {
    if (this.picked.size) this.picked = new Set();
  }

  /** Move a box, and with it all that are picked where it is one of them. */
  move(boxes: readonly PlacedBox[], moved: PlacedBox, [dx, dy]: [number, number]): void {
    const along = this.picked.has(moved.key) ? this.picked : new Set([moved.key]);
    const places = new Map(
      boxes
        .filter(({ key }) => along.has(key))
        .map((box) => [box.key, { x: snapped(box.x + dx), y: snapped(box.y + dy) }]),
    );
    this.keep(`move ${along.size === 1 ? `“${moved.title}”` : `${along.size} boxes`}`, boxes, places);
  }

  /** Give a box another width and least height; its upper left corner stays. */
  resize(boxes: readonly PlacedBox[], box: PlacedBox, [dx, dy]: [number, number]): void {
    const width = Math.max(LEAST_WIDTH, snapped(box.width + dx));
    const height = Math.max(LEAST_HEIGHT, snapped(box.height + dy));
    const [x, y] = [box.x + (width - box.width) / 2, box.y + (height - box.height) / 2];
    this.keep(`resize “${box.title}”`, boxes, new Map([[box.key, { x, y, width, height }]]));
  }

  /** Align the picked boxes by their left edges or middles, or on one height. */
  align(boxes: readonly PlacedBox[], alignment: Alignment): void {
    const chosen = boxes.filter(({ key }) => this.picked.has(key));
    if (chosen.length < 2) return;
    const left = Math.min(...chosen.map(({ x, width }) => x - width / 2));
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const x = mean(chosen.map((box) => box.x));
    const y = mean(chosen.map((box) => box.y));
    const aligned = (box: PlacedBox): { x: number; y: number } => {
      if (alignment === "row") return { x: box.x, y };
      return { x: alignment === "left" ? left + box.width / 2 : x, y: box.y };
    };
    const places = new Map(chosen.map((box) => [box.key, aligned(box)]));
    this.keep(`align ${chosen.length} boxes`, boxes, places);
  }

  /** Give all boxes back to the automatic layout. */
  reset(): void {
    const places = this.openGraph.annotations.places;
    this.openGraph.annotations.place(
      "arrange automatically",
      new Map([...places.keys()].map((k) => [k, null])),
    );
  }

  /** Move the box by an arrow key with Alt, resize it with Alt and Shift; false for other keys. */
  byKey(boxes: readonly PlacedBox[], box: PlacedBox, event: KeyboardEvent): boolean {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || !event.altKey) return false;
    const by: [number, number] = [KEY_STEP * step[0], KEY_STEP * step[1]];
    if (event.shiftKey) this.resize(boxes, box, by);
    else this.move(boxes, box, by);
    return true;
  }

  /** Keep new places. The first time all boxes keep theirs, so that none moves by itself afterwards. */
  private keep(
    text: string,
    boxes: readonly PlacedBox[],
    changes: ReadonlyMap<string, { x: number; y: number; width?: number; height?: number }>,
  ): void {
    const { places } = this.openGraph.annotations;
    const kept = new Map<string, PlaceOfBox>();
    for (const box of boxes) {
      const change = changes.get(box.key);
      const before = places.get(box.key);
      if (!change && before) continue;
      const size = { width: before?.width ?? null, height: before?.height ?? null };
      kept.set(box.key, { x: box.x, y: box.y, ...size, ...change });
    }
    this.openGraph.annotations.place(text, kept);
  }
}

const snapped = (value: number): number => GRID * Math.round(value / GRID);
