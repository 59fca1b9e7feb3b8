/** Layout of the link graph: token positions across, layers up, in pixels at scale 1. */

import type { Mask } from "../graph/influence.ts";
import { ERROR, TARGET, TOKEN, type Graph } from "../graph/graph.ts";

export interface Layout {
  x: Float32Array;
  y: Float32Array;
  radius: Float32Array;
  columns: Column[];
  bands: Band[];
  width: number;
  height: number;
}

/** One position, or a fold of several. */
export interface Column {
  positions: number[];
  folded: boolean;
  left: number;
  width: number;
}

/** The strip of one layer; -1 holds the tokens, the last one the outputs. */
export interface Band {
  layer: number;
  top: number;
  height: number;
}

/** Width and height of one node with the space around it. */
const SLOT = 13;
/** Rows at most for the nodes of one position in one layer; the window's shape decides how many are used. */
const MOST_ROWS = 6;
/** Space between the nodes of two columns. */
const GAP = 22;
const LEAST_COLUMN = 58;
const FOLDED_COLUMN = 52;
/** Space between the nodes of two layers. */
const BAND_GAP = 8;
/** Outputs stand farther apart than other nodes, so that their names have room. */
const TARGET_WIDTH = 30;
/** Longer prompts are folded. */
const FOLD_ABOVE = 24;
/** Positions of a folded prompt that stay open, the most influential ones: at most, at least, and pixels for each. */
const MOST_OPEN = 20;
const LEAST_OPEN = 6;
const ROOM_OF_OPEN = 40;
/** Fewer quiet positions in a row are not worth a fold. */
const SHORTEST_FOLD = 3;
/** How much farther apart layers or positions may move to fill the window. */
const MOST_STRETCH = 1.7;

type Shown = Pick<Mask, "node">;

/** Positions of a long prompt that a window of some width has room for. */
export const openPositions = (width: number): number =>
  Math.min(MOST_OPEN, Math.max(LEAST_OPEN, Math.floor(width / ROOM_OF_OPEN)));

/**
 * Places the nodes that are shown; those of folded positions get no place (NaN). `aspect` is the window's width over
 * its height, which the layout comes near to.
 */
export function layOut(
  graph: Graph,
  shown: Shown,
  unfolded: readonly number[],
  aspect = 1.5,
  mostOpen = MOST_OPEN,
): Layout {
  const cells = cellsOf(graph, shown);
  const quiet = quietPositions(graph, shown, mostOpen);
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

/** Columns and bands, with as many rows in a band as make the whole most like the window's shape. */
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
    if (!best || misfit < least) [best, least] = [{ columns, columnOf, bands }, misfit];
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

/** Positions with little influence, which may be folded: none on a short prompt, and never the last one. */
function quietPositions(graph: Graph, shown: Shown, mostOpen: number): Uint8Array {
  const nPositions = graph.info.tokens.length;
  const quiet = new Uint8Array(nPositions);
  if (nPositions <= FOLD_ABOVE) return quiet;
  const carried = new Float64Array(nPositions);
  for (let node = 0; node < graph.nNodes; node++)
    if (shown.node[node] && graph.kind[node] !== TARGET)
      carried[graph.position[node]] += graph.influence[node];
  carried[nPositions - 1] = Infinity;
  const least = carried.slice().sort().at(-mostOpen)!;
  return quiet.map((_, position) => Number(carried[position] < least));
}

/** Positions one by one, and runs of quiet ones together. */
function runs(quiet: Uint8Array, unfolded: ReadonlySet<number>): number[][] {
  const all: number[][] = [];
  let run: number[] = [];
  const close = () => {
    if (run.length >= SHORTEST_FOLD) all.push(run);
    else all.push(...run.map((position) => [position]));
    run = [];
  };
  quiet.forEach((isQuiet, position) => {
    if (isQuiet && !unfolded.has(position)) run.push(position);
    else {
      close();
      all.push([position]);
    }
  });
  close();
  return all;
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
