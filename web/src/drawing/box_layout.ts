/** Places of boxes: tokens below, outputs above, the others in rows between them, by layer. */

import { percent } from "../format/numbers.ts";
import type { Graph } from "../graph/graph.ts";
import type { GroupEdge } from "../graph/group_edges.ts";
import type { Box } from "./boxes.ts";
import { cutText, wrapText, type Measure, type TextStyle } from "./text_measure.ts";

/** A place that a person chose for a box: its middle, and its size where that was chosen too. */
export interface BoxPlace {
  x: number;
  y: number;
  width?: number | null;
  height?: number | null;
}

export interface PlacedBox extends Box {
  /** Middle of the box. */
  x: number;
  y: number;
  width: number;
  height: number;
  /** The title, broken into lines. */
  lines: string[];
  /** The detail, cut to the width of the box. */
  note: string;
}

/** A small text in a frame; `x` and `y` count from the corner of its box. */
export interface Badge {
  text: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface LayoutSettings {
  /** Size of the drawing; it grows where the boxes need more. */
  width: number;
  height: number;
  measure: Measure;
  /** Pixels between two rows, through which lines run. */
  between: number;
  places?: ReadonlyMap<string, BoxPlace> | undefined;
}

export const TITLE: TextStyle = { size: 13, weight: 600, family: "sans" };
export const TOKEN_TITLE: TextStyle = { size: 12.5, weight: 500, family: "mono" };
export const DETAIL: TextStyle = { size: 11, weight: 400, family: "sans" };

/** Height of a line of the title; the first one's baseline; room of the detail below; room beside texts (pixels). */
export const LINE = 16;
export const FIRST_LINE = 18;
const DETAIL_ROOM = 24;
const BESIDE = 13;
/** Sizes of a box that nobody resized, and the least ones of one that somebody did (pixels). */
const WIDEST = 202;
const NARROWEST = 64;
const NARROWEST_TOKEN = 36;
export const LEAST_WIDTH = 44;
const MOST_LINES = 3;
const MARGIN = 24;
const GAP = 12;
/** Part of the layers that one row may hold. */
const ROW_SPAN = 1 / 8;

/** Titles of single tokens and outputs are set in the font of tokens. */
export const titleStyle = (box: Box): TextStyle =>
  box.kind === "token" || (box.kind === "target" && !box.isGroup) ? TOKEN_TITLE : TITLE;

/**
 * Boxes in their places, none over another except where a person put it there. Boxes that an edge of `apart` joins
 * stand in different rows.
 */
export function placeBoxes(
  graph: Graph,
  boxes: readonly Box[],
  apart: readonly GroupEdge[],
  settings: LayoutSettings,
): PlacedBox[] {
  const { measure, places } = settings;
  const placed = boxes.map((box) => sizedBox(box, measure));
  const layers = boxes.map((box) => weightedMean(graph, box, graph.layer));
  const rows = rowsOf(graph, placed, layers, apart, settings);
  const room = Math.max(...rows.map((row) => rowWidth(row.boxes)), settings.width - 2 * MARGIN);
  stackRows(rows, settings);
  const columns = positionsAcross(graph, rows, room);
  const ranked = ranksAcross(graph, rows, room);
  const across = (box: PlacedBox) => {
    const column = columns(weightedMean(graph, box, graph.position));
    const rank = ranked.get(box);
    return rank === undefined ? column : (column + rank) / 2;
  };
  for (const row of rows) spread(row, across, room);
  if (!places?.size) return placed;
  const moved = placed.map((box, place) => atPlace(boxes[place], box, places.get(box.key), measure));
  avoidPlaced(moved, places);
  return moved;
}

/** A box of its natural size, or of a width and a least height that a person chose. */
export function sizedBox(box: Box, measure: Measure, chosen?: BoxPlace): PlacedBox {
  const room = Math.max(LEAST_WIDTH, chosen?.width ?? WIDEST) - 2 * BESIDE;
  const style = titleStyle(box);
  const lines = wrapText(box.title, style, room, measure, chosen?.height ? 12 : MOST_LINES);
  const note = cutText(box.detail, DETAIL, room, measure);
  const longest = Math.max(...lines.map((line) => measure(line, style)), measure(note, DETAIL));
  const natural = lines.length * LINE + DETAIL_ROOM;
  return {
    ...box,
    lines,
    note,
    width: chosen?.width ? room + 2 * BESIDE : naturalWidth(box, longest),
    height: Math.max(natural, chosen?.height ?? 0),
    x: 0,
    y: 0,
  };
}

const naturalWidth = (box: Box, longest: number): number =>
  box.kind === "token" ? Math.max(NARROWEST_TOKEN, longest + 16) : Math.max(NARROWEST, longest + 2 * BESIDE);

/** The mark at the upper right corner of a box that tells what a test leaves of its value. */
export function badgeOf(box: PlacedBox, measure: Measure): Badge {
  const text = `${percent(box.left ?? 1)} left`;
  const width = measure(text, DETAIL) + 12;
  return { text, x: box.width - width + 8, y: -10, width, height: 16 };
}

function atPlace(box: Box, placed: PlacedBox, place: BoxPlace | undefined, measure: Measure): PlacedBox {
  if (!place) return placed;
  return { ...sizedBox(box, measure, place), x: place.x, y: place.y };
}

function weightedMean(graph: Graph, box: Box, values: ArrayLike<number>): number {
  let [sum, whole] = [0, 0];
  for (const node of box.members) {
    const weight = graph.influence[node] + 1e-9;
    sum += weight * values[node];
    whole += weight;
  }
  return sum / whole;
}

interface Row {
  kind: "token" | "between" | "target";
  boxes: PlacedBox[];
  /** Mean layer. */
  layer: number;
}

const rowWidth = (boxes: readonly PlacedBox[]): number =>
  boxes.reduce((sum, box) => sum + box.width, (boxes.length - 1) * GAP);

/** Rows from the bottom up; joined boxes stand in different ones, so that lines lead up or down. */
function rowsOf(
  graph: Graph,
  placed: PlacedBox[],
  layers: number[],
  apart: readonly GroupEdge[],
  settings: LayoutSettings,
): Row[] {
  const joined = new Set(
    apart.flatMap(({ source, target }) => [`${source} ${target}`, `${target} ${source}`]),
  );
  const all = placed.map((_, place) => place);
  const ends = (kind: "token" | "target"): Row[] => {
    const boxes = placed.filter((box) => box.kind === kind);
    return boxes.length ? [{ kind, boxes, layer: kind === "token" ? 0 : graph.nLayers - 1 }] : [];
  };
  const between = all
    .filter((place) => placed[place].kind !== "token" && placed[place].kind !== "target")
    .sort((one, other) => layers[one] - layers[other] || one - other);
  const room = settings.width - 2 * MARGIN;
  const pack = (span: number): Row[] => {
    const rows: number[][] = [];
    for (const place of between) {
      const row = rows.at(-1);
      const boxes = row?.map((each) => placed[each]) ?? [];
      const isFull =
        !row ||
        rowWidth([...boxes, placed[place]]) > room ||
        layers[place] - layers[row[0]] > span ||
        row.some((other) => joined.has(`${place} ${other}`));
      if (isFull) rows.push([place]);
      else row.push(place);
    }
    return rows.map((row) => ({
      kind: "between",
      boxes: row.map((each) => placed[each]),
      layer: row.reduce((sum, each) => sum + layers[each], 0) / row.length,
    }));
  };
  const whole = (middle: Row[]) => [...ends("token"), ...middle, ...ends("target")];
  const loose = whole(pack(ROW_SPAN * graph.nLayers));
  return heightOf(loose, settings) <= settings.height ? loose : whole(pack(Infinity));
}

const rowHeight = (row: Row): number => Math.max(...row.boxes.map(({ height }) => height));

const heightOf = (rows: readonly Row[], { between }: LayoutSettings): number =>
  rows.reduce((sum, row) => sum + rowHeight(row), 2 * MARGIN + (rows.length - 1) * between);

/** Stack rows; height that is left goes between them, in proportion to the layers that lie between. */
function stackRows(rows: readonly Row[], settings: LayoutSettings): void {
  const steps = rows.slice(1).map((row, place) => 0.5 + Math.max(0, row.layer - rows[place].layer));
  const sum = steps.reduce((total, step) => total + step, 0) || 1;
  const spare = Math.max(0, settings.height - heightOf(rows, settings));
  let y = Math.max(settings.height, heightOf(rows, settings)) - MARGIN;
  rows.forEach((row, place) => {
    const height = rowHeight(row);
    for (const box of row.boxes) box.y = y - height / 2;
    y -= height + settings.between + (spare * (steps[place] ?? 0)) / sum;
  });
}

/** Where a position of the prompt lies across: over its token where tokens are drawn. */
function positionsAcross(graph: Graph, rows: readonly Row[], room: number): (position: number) => number {
  const tokens = rows.find(({ kind }) => kind === "token")?.boxes ?? [];
  if (tokens.length > 1) {
    const order = tokens.toSorted(
      (one, other) => weightedMean(graph, one, graph.position) - weightedMean(graph, other, graph.position),
    );
    const wide = Math.max(0, Math.min(room - rowWidth(order), 60 * (order.length - 1)));
    let x = MARGIN + (room - rowWidth(order) - wide) / 2;
    const marks = order.map((box) => {
      const mark: [number, number] = [weightedMean(graph, box, graph.position), x + box.width / 2];
      x += box.width + GAP + wide / (order.length - 1);
      return mark;
    });
    return (position) => interpolated(marks, position);
  }
  const last = Math.max(1, graph.info.tokens.length - 1);
  return (position) => MARGIN + room * (0.08 + (0.84 * position) / last);
}

/** The boxes between tokens and outputs, evenly over the width, by position and layer: so the whole width is used. */
function ranksAcross(graph: Graph, rows: readonly Row[], room: number): Map<PlacedBox, number> {
  const between = rows.flatMap(({ kind, boxes }, row) =>
    kind === "between" ? boxes.map((box) => ({ box, row })) : [],
  );
  const position = new Map(between.map(({ box }) => [box, weightedMean(graph, box, graph.position)]));
  between.sort((one, other) => position.get(one.box)! - position.get(other.box)! || one.row - other.row);
  const last = Math.max(1, between.length - 1);
  return new Map(between.map(({ box }, rank) => [box, MARGIN + room * (0.08 + (0.84 * rank) / last)]));
}

function interpolated(marks: readonly [number, number][], position: number): number {
  const after = marks.findIndex(([mark]) => mark >= position);
  if (after <= 0) return (after === 0 ? marks[0] : marks.at(-1)!)[1];
  const [[p0, x0], [p1, x1]] = [marks[after - 1], marks[after]];
  return x0 + ((x1 - x0) * (position - p0)) / (p1 - p0 || 1);
}

interface Block {
  boxes: PlacedBox[];
  middle: number;
}

/** Put the boxes of a row side by side, in the order of their positions and near to them. */
function spread({ boxes }: Row, across: (box: PlacedBox) => number, room: number): void {
  for (const box of boxes) box.x = across(box);
  const order = [...boxes].sort((one, other) => one.x - other.x || one.members[0] - other.members[0]);
  // Boxes that overlap become one block around the middle of what they want; blocks that meet join.
  const blocks: Block[] = [];
  const left = (block: Block) => block.middle - rowWidth(block.boxes) / 2;
  const right = (block: Block) => block.middle + rowWidth(block.boxes) / 2;
  const within = (block: Block): Block => {
    const half = rowWidth(block.boxes) / 2;
    return { ...block, middle: Math.max(MARGIN + half, Math.min(MARGIN + room - half, block.middle)) };
  };
  for (const box of order) {
    let block = within({ boxes: [box], middle: box.x });
    for (let before = blocks.at(-1); before && right(before) + GAP > left(block); before = blocks.at(-1)) {
      blocks.pop();
      const [size, more] = [before.boxes.length, block.boxes.length];
      const middle = (before.middle * size + block.middle * more) / (size + more);
      block = within({ boxes: [...before.boxes, ...block.boxes], middle });
    }
    blocks.push(block);
  }
  for (const block of blocks) {
    let x = left(block);
    for (const box of block.boxes) {
      box.x = x + box.width / 2;
      x += box.width + GAP;
    }
  }
}

const overlap = (one: PlacedBox, other: PlacedBox): boolean =>
  Math.abs(one.x - other.x) < (one.width + other.width) / 2 + GAP / 2 &&
  Math.abs(one.y - other.y) < (one.height + other.height) / 2 + GAP / 2;

/** Move boxes that nobody placed to the nearest free room beside those that somebody did. */
function avoidPlaced(boxes: PlacedBox[], places: ReadonlyMap<string, BoxPlace>): void {
  const settled = boxes.filter(({ key }) => places.has(key));
  for (const box of boxes) {
    if (places.has(box.key)) continue;
    const { x, y } = box;
    for (let ring = 1; ring < 60 && settled.some((other) => overlap(box, other)); ring++)
      for (const [dx, dy] of RING) {
        [box.x, box.y] = [x + 24 * ring * dx, y + 18 * ring * dy];
        if (!settled.some((other) => overlap(box, other))) break;
      }
    settled.push(box);
  }
}

const RING: readonly [number, number][] = [
  [1, 0],
  [-1, 0],
  [0, -1],
  [0, 1],
  [1, -1],
  [-1, -1],
  [1, 1],
  [-1, 1],
];
