/** Where nodes stand: token positions across, layers up; arithmetic only, in units of pixels at scale 1. */

import { ERROR, FEATURE, TARGET, TOKEN, type Graph } from "../graph/graph.ts";

export interface Layout {
  x: Float32Array;
  y: Float32Array;
  radius: Float32Array;
  columns: Column[];
  bands: Band[];
  width: number;
  height: number;
}

/** A position, or a run of folded ones. */
export interface Column {
  positions: number[];
  folded: boolean;
  left: number;
  width: number;
}

/** A layer; -1 holds the tokens, the last one the outputs. */
export interface Band {
  layer: number;
  top: number;
  height: number;
}

const SLOT = 13;
/** The room of one node. */
const MOST_ROWS = 6;
/** Nodes of a position in one layer stand in at most so many rows; how many, the window's shape says. */
const GAP = 22;
const LEAST_COLUMN = 58;
const FOLDED_COLUMN = 52;
const BAND_GAP = 8;
const TARGET_WIDTH = 30;
export const FOLD_ABOVE = 24;
/** Prompts of more positions than this are folded. */
const MOST_LOUD = 20;
/** Of these, so many of the most influential positions stay open. */
const SHORTEST_FOLD = 3;

export interface Shown {
  node: Uint8Array;
}

/**
 * Lays out the nodes that are shown; those of folded positions get no place (NaN). `aspect` is the width of the
 * window over its height: the picture comes as near to it as it can.
 */
export function layOut(graph: Graph, shown: Shown, unfolded: readonly number[], aspect = 1.5): Layout {
  const cells = cellsOf(graph, shown);
  const quiet = quietPositions(graph, shown);
  const { columns, columnOf, bands } = frameFor(graph, cells, runs(quiet, new Set(unfolded)), aspect);
  const x = new Float32Array(graph.nNodes).fill(NaN);
  const y = new Float32Array(graph.nNodes).fill(NaN);
  stretch(bands, columns, aspect);
  for (const [, cell] of cells) {
    const column = columnOf.get(cell.position)!;
    if (column.folded) continue;
    placeCell(graph, cell, column, bands.get(cell.layer)!, x, y);
  }
  const last = columns.at(-1);
  const ordered = [...bands.values()].sort((one, other) => one.top - other.top);
  return {
    x,
    y,
    radius: radii(graph, shown),
    columns,
    bands: ordered,
    width: last ? last.left + last.width : 0,
    height: ordered.length ? ordered.at(-1)!.top + ordered.at(-1)!.height : 0,
  };
}

interface Cell {
  layer: number;
  position: number;
  nodes: number[];
}

function cellsOf(graph: Graph, shown: Shown): Map<number, Cell> {
  const cells = new Map<number, Cell>();
  const nPositions = graph.info.tokens.length;
  for (let node = 0; node < graph.nNodes; node++) {
    if (!shown.node[node]) continue;
    const layer = graph.layer[node];
    const position = graph.position[node];
    const key = (layer + 1) * nPositions + position;
    const cell = cells.get(key);
    if (cell) cell.nodes.push(node);
    else cells.set(key, { layer, position, nodes: [node] });
  }
  for (const cell of cells.values()) cell.nodes.sort((one, other) => order(graph, one, other));
  return cells;
}

/** Features by influence, the error last; outputs by weight. */
function order(graph: Graph, one: number, other: number): number {
  if (graph.kind[one] === TARGET) return graph.activation[other] - graph.activation[one];
  const kinds = Number(graph.kind[one] === ERROR) - Number(graph.kind[other] === ERROR);
  return kinds || graph.influence[other] - graph.influence[one];
}

const slotsOf = (cell: Cell, graph: Graph, rows: number): number =>
  graph.kind[cell.nodes[0]] === TARGET
    ? (cell.nodes.length * TARGET_WIDTH) / SLOT
    : Math.ceil(cell.nodes.length / rows);

interface Frame {
  columns: Column[];
  columnOf: Map<number, Column>;
  bands: Map<number, Band>;
}

/** Columns and bands with so many rows to a band that the whole has about the shape of the window. */
function frameFor(graph: Graph, cells: Map<number, Cell>, positions: number[][], aspect: number): Frame {
  let best: Frame | null = null;
  let least = Infinity;
  for (let rows = 1; rows <= MOST_ROWS; rows++) {
    const columns = columnsOf(graph, cells, positions, rows);
    const columnOf = new Map(columns.flatMap((column) => column.positions.map((p) => [p, column] as const)));
    const bands = bandsOf(graph, cells, columnOf);
    const width = columns.reduce((sum, column) => sum + column.width, 0);
    const height = [...bands.values()].reduce((sum, band) => sum + band.height, 0);
    const misfit = Math.abs(Math.log(width / Math.max(1, height) / aspect));
    if (misfit < least) [best, least] = [{ columns, columnOf, bands }, misfit];
  }
  return best!;
}

function columnsOf(graph: Graph, cells: Map<number, Cell>, runsOf: number[][], rows: number): Column[] {
  const widest = new Float64Array(graph.info.tokens.length);
  for (const cell of cells.values())
    widest[cell.position] = Math.max(widest[cell.position], slotsOf(cell, graph, rows));
  const columns: Column[] = [];
  let left = 0;
  for (const positions of runsOf) {
    const folded = positions.length > 1;
    const slots = widest[positions[0]] * SLOT + GAP;
    const width = folded ? FOLDED_COLUMN : Math.max(LEAST_COLUMN, slots, tokenWidth(graph, positions[0]));
    columns.push({ positions, folded, left, width });
    left += width;
  }
  return columns;
}

const tokenWidth = (graph: Graph, position: number): number =>
  Math.min(16, graph.info.tokens[position].length + 1) * 8 + 14;

/** Positions that carry the least influence; none on a prompt that fits as it is. The last one always stays. */
export function quietPositions(graph: Graph, shown: Shown): Uint8Array {
  const nPositions = graph.info.tokens.length;
  const quiet = new Uint8Array(nPositions);
  if (nPositions <= FOLD_ABOVE) return quiet;
  const carried = new Float64Array(nPositions);
  for (let node = 0; node < graph.nNodes; node++)
    if (shown.node[node] && graph.kind[node] !== TARGET)
      carried[graph.position[node]] += graph.influence[node];
  carried[nPositions - 1] = Infinity;
  const least = carried.slice().sort().at(-MOST_LOUD)!;
  return quiet.map((_, position) => Number(carried[position] < least));
}

/** Single positions, and runs of at least three quiet ones. */
function runs(quiet: Uint8Array, unfolded: ReadonlySet<number>): number[][] {
  const found: number[][] = [];
  let run: number[] = [];
  const close = () => {
    if (run.length >= SHORTEST_FOLD) found.push(run);
    else found.push(...run.map((position) => [position]));
    run = [];
  };
  quiet.forEach((isQuiet, position) => {
    if (isQuiet && !unfolded.has(position)) run.push(position);
    else {
      close();
      found.push([position]);
    }
  });
  close();
  return found;
}

function bandsOf(graph: Graph, cells: Map<number, Cell>, columnOf: Map<number, Column>): Map<number, Band> {
  const rows = new Map<number, number>();
  for (const cell of cells.values()) {
    const column = columnOf.get(cell.position)!;
    const needed = column.folded ? 1 : Math.ceil(cell.nodes.length / perRow(column));
    const least = graph.kind[cell.nodes[0]] === TARGET ? 1 : needed;
    rows.set(cell.layer, Math.max(rows.get(cell.layer) ?? 1, least));
  }
  const bands = new Map<number, Band>();
  let top = 0;
  for (let layer = graph.nLayers; layer >= -1; layer--) {
    const needed = rows.get(layer);
    const edge = layer === graph.nLayers || layer === -1;
    const height = needed === undefined ? SLOT / 2 : needed * SLOT + BAND_GAP + (edge ? 2 * SLOT : 0);
    bands.set(layer, { layer, top, height });
    top += height;
  }
  return bands;
}

const MOST_STRETCH = 1.7;

/** Moves layers apart where the window is higher than the picture, or positions where it is wider. */
function stretch(bands: Map<number, Band>, columns: Column[], aspect: number): void {
  const width = columns.reduce((sum, column) => sum + column.width, 0);
  const height = [...bands.values()].reduce((sum, band) => sum + band.height, 0);
  const down = Math.min(MOST_STRETCH, Math.max(1, width / aspect / Math.max(1, height)));
  const across = Math.min(MOST_STRETCH, Math.max(1, (height * aspect) / Math.max(1, width)));
  for (const band of bands.values()) {
    band.top *= down;
    band.height *= down;
  }
  for (const column of columns) {
    column.left *= across;
    column.width *= across;
  }
}

const perRow = (column: Column): number => Math.max(1, Math.floor((column.width - GAP) / SLOT + 1e-6));

function placeCell(
  graph: Graph,
  cell: Cell,
  column: Column,
  band: Band,
  x: Float32Array,
  y: Float32Array,
): void {
  const middle = column.left + column.width / 2;
  const isTarget = graph.kind[cell.nodes[0]] === TARGET;
  const room = isTarget ? TARGET_WIDTH : SLOT;
  const across = isTarget ? cell.nodes.length : Math.min(cell.nodes.length, perRow(column));
  const rows = Math.ceil(cell.nodes.length / across);
  const base = band.top + band.height / 2 + ((rows - 1) * SLOT) / 2;
  cell.nodes.forEach((node, place) => {
    const row = Math.floor(place / across);
    const inRow = Math.min(across, cell.nodes.length - row * across);
    x[node] = middle + ((place % across) - (inRow - 1) / 2) * room;
    y[node] = base - row * SLOT;
  });
}

/** Area by influence, among the shown features and errors. */
function radii(graph: Graph, shown: Shown): Float32Array {
  let most = 0;
  for (let node = 0; node < graph.nNodes; node++)
    if (shown.node[node] && graph.kind[node] <= ERROR) most = Math.max(most, graph.influence[node]);
  return Float32Array.from(graph.influence, (influence, node) => {
    if (graph.kind[node] === TOKEN || graph.kind[node] === TARGET) return 5.5;
    return 2.2 + 3.8 * Math.sqrt(most > 0 ? Math.min(1, influence / most) : 0);
  });
}

/** The scale and shift that show the whole layout in a window of this size. */
export function fit(layout: Layout, width: number, height: number, padding = 26): [number, number, number] {
  const scale = Math.min(
    2.2,
    (width - 2 * padding) / Math.max(1, layout.width),
    (height - 2 * padding) / Math.max(1, layout.height),
  );
  const k = Math.max(scale, 0.02);
  return [k, (width - k * layout.width) / 2, (height - k * layout.height) / 2];
}

export const isFeature = (graph: Graph, node: number): boolean => graph.kind[node] === FEATURE;
