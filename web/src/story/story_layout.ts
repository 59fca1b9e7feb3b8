/** Places of a story's boxes: tokens along the bottom, steps above by layer, outputs at the top, none over another. */

import { percent, probability, signed } from "../format/numbers.ts";
import { TARGET, targetOf, type Graph } from "../graph/graph.ts";
import { inText } from "../graph/token_text.ts";
import { cutText, wrapText, type Measure, type TextStyle } from "../drawing/text_measure.ts";
import { packed } from "./packing.ts";
import type { Told } from "./story.ts";
import { loosen, tokenCells } from "./token_row.ts";

/** A node of an unfolded box, as a line in it. */
export interface NodeLine {
  node: number;
  text: string;
  share: string;
}

export interface Placed {
  key: string;
  /** The story's boxes that it stands for: one, or the tokens of a run. */
  boxes: Told[];
  role: "token" | "run" | "step" | "fold" | "output";
  /** Middle of the box. */
  x: number;
  y: number;
  width: number;
  height: number;
  lines: string[];
  /** Its effect on the answer, where that is written. */
  effect: string;
  share: string;
  isLarge: boolean;
  nodes: NodeLine[];
}

export interface Arranged {
  placed: Placed[];
  height: number;
}

export interface Arrangement {
  graph: Graph;
  boxes: readonly Told[];
  /** Influence between boxes, by their numbers in the story. */
  edges: readonly { source: number; target: number; carried: number }[];
  width: number;
  height: number;
  /** Keys of boxes that a person unfolded, and positions of tokens. */
  opened: ReadonlySet<string>;
  unfolded: ReadonlySet<number>;
  /** The lines of an unfolded box. */
  nodesOf: (box: Told) => NodeLine[];
  measure: Measure;
}

export const TITLE: TextStyle = { family: "sans", weight: 600, size: 14 };
export const DETAIL: TextStyle = { family: "sans", weight: 400, size: 11 };
export const OUTPUT: TextStyle = { family: "mono", weight: 600, size: 15 };
export const LINE = 18;
export const NODE_LINE = 19;
const MARGIN = 16;
/** Widths of steps, and of the column of folded boxes at the left. */
const NARROWEST = 132;
const WIDEST = 216;
const COLUMN = 118;
/** Below this width the folded boxes stand above the tokens instead of in a column. */
const NARROW = 600;
const TOKEN_LINE = 52;
/** Outputs that are shown one by one, and the key of the box for all others. */
const MOST_OUTPUTS = 5;
const FEWER_OUTPUTS = 3;
export const MORE_OUTPUTS = "outputs";
/** Room between rows: arrows need it. */
const LEAST_GAP = 34;
/** Least room between boxes side by side, and where there is plenty of it. */
const BESIDE = 22;
const WIDE_BESIDE = 130;

export function arrange(given: Arrangement): Arranged {
  const { boxes, width, measure } = given;
  const isNarrow = width < NARROW;
  const tokens = tokenRow(given, measure);
  const outputs = outputRow(given, measure);
  const asCards = boxes.filter(
    ({ kind, key }) => kind === "step" || (kind !== "output" && given.opened.has(key) && kind !== "token"),
  );
  const tokenCards = boxes.filter(
    ({ kind, key, members }) => kind === "token" && members.length > 1 && given.opened.has(key),
  );
  const cards = [
    ...tokenCards.map((box) => cardOf(box, `${box.key}+`, given, measure)),
    ...asCards
      .sort((one, other) => levelOf(one) - levelOf(other))
      .map((box) => cardOf(box, box.key, given, measure)),
  ];
  const folds = boxes
    .filter((box) => isFold(box) && !given.opened.has(box.key))
    .map((box) => foldOf(box, measure));

  const left = folds.length && !isNarrow ? MARGIN + COLUMN + 24 : MARGIN;
  const tokenHeight = heightOf(tokens);
  const outputHeight = heightOf(outputs);
  const foldHeight = isNarrow && folds.length ? flow(folds, width - 2 * MARGIN) + 18 : 0;
  const room = given.height - 2 * MARGIN - tokenHeight - outputHeight - foldHeight;
  const rows = rowsOf(cards, width - MARGIN - left, room);
  const cardsHeight = rows.reduce((sum, row) => sum + tallest(row), 0);
  const gap = Math.max(LEAST_GAP, Math.min(110, (room - cardsHeight) / (rows.length + 1)));
  const height = Math.max(
    given.height,
    cardsHeight + gap * (rows.length + 1) + 2 * MARGIN + tokenHeight + outputHeight + foldHeight,
  );

  for (const cell of tokens) {
    cell.x += MARGIN;
    cell.y += height - MARGIN - tokenHeight;
  }
  for (const fold of folds) fold.y += height - MARGIN - tokenHeight - foldHeight;
  if (isNarrow) for (const fold of folds) fold.x += MARGIN;
  placeRows(rows, given, [...tokens, ...folds], left, height - MARGIN - tokenHeight - foldHeight, gap);
  const middle = (left + width - MARGIN) / 2;
  const above = rows.at(-1)?.length ? mean(rows.at(-1)!.map(({ x }) => x)) : middle;
  centre(outputs, (above + middle) / 2, left, width - MARGIN);
  for (const output of outputs) output.y += MARGIN;
  if (!isNarrow) placeColumn(folds, given, outputHeight + MARGIN, height - MARGIN - tokenHeight);
  return { placed: [...tokens, ...folds, ...rows.flat(), ...outputs], height };
}

const isFold = ({ kind }: Told): boolean => kind !== "token" && kind !== "step" && kind !== "output";
const levelOf = ({ layers }: Told): number => (layers[0] + layers[1]) / 2;
const tallest = (row: readonly Placed[]): number => Math.max(0, ...row.map(({ height }) => height));
const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const heightOf = (row: readonly Placed[]): number =>
  Math.max(0, ...row.map(({ y, height }) => y + height / 2));

/** Tokens and runs of quiet ones, from the top left of their own row. */
function tokenRow({ boxes, width, unfolded, opened }: Arrangement, measure: Measure): Placed[] {
  const tokens = boxes.filter(({ kind }) => kind === "token");
  const cells = tokenCells(tokens, width - 2 * MARGIN, unfolded, opened, measure);
  const widest = Math.max(...cells.map(({ line }) => line), 0);
  if (!widest) loosen(cells, width - 2 * MARGIN);
  // A row that leaves room stands in the middle of it.
  const shifts = Array.from({ length: widest + 1 }, (_, line) => {
    const last = cells.findLast((cell) => cell.line === line)!;
    return widest ? 0 : Math.max(0, (width - 2 * MARGIN - last.x - last.width) / 2);
  });
  return cells.map((cell) => {
    const high = cell.isLarge ? 34 : 26;
    return {
      key: cell.isRun ? `r:${cell.boxes[0].positions[0]}` : cell.boxes[0].key,
      boxes: cell.boxes,
      role: cell.isRun ? "run" : "token",
      x: shifts[cell.line] + cell.x + cell.width / 2,
      y: cell.line * TOKEN_LINE + 17,
      width: cell.width,
      height: high,
      lines: [cell.text],
      effect: "",
      share: cell.share,
      isLarge: cell.isLarge,
      nodes: [],
    };
  });
}

/** Outputs side by side, the likeliest first and large. */
function outputRow({ graph, boxes, width, opened }: Arrangement, measure: Measure): Placed[] {
  const weight = (box: Told) => Math.max(...box.members.map((node) => graph.activation[node]));
  const sorted = boxes
    .filter(({ kind }) => kind === "output")
    .sort((one, other) => weight(other) - weight(one));
  const most = width < NARROW ? FEWER_OUTPUTS : MOST_OUTPUTS;
  const shown = opened.has(MORE_OUTPUTS) ? sorted : sorted.slice(0, most);
  const placed = shown.map((box, place): Placed => {
    const font = place ? { ...OUTPUT, size: 11, weight: 400 } : OUTPUT;
    const single = box.members.length === 1 && graph.kind[box.members[0]] === TARGET;
    const target = single ? targetOf(graph, box.members[0]) : null;
    const text = cutText(inText(target ? target.text.trim() || target.text : box.name), font, 200, measure);
    const share = target ? probability(target.probability ?? target.weight) : "";
    const inside = Math.max(measure(text, font), measure(share, DETAIL));
    return {
      key: box.key,
      boxes: [box],
      role: "output",
      x: 0,
      y: 0,
      width: inside + (place ? 16 : 36),
      height: place ? 38 : 48,
      lines: [text],
      effect: "",
      share,
      isLarge: !place,
      nodes: [],
    };
  });
  const rest = sorted.slice(shown.length);
  if (rest.length) {
    const text = `${rest.length} more`;
    const width = measure(text, DETAIL) + 16;
    const place = { x: 0, y: 0, width, height: 38 };
    const share = probability(rest.reduce((sum, box) => sum + weight(box), 0));
    placed.push({
      ...{ key: MORE_OUTPUTS, boxes: rest, role: "output", ...place },
      ...{ lines: [text], effect: "", share, isLarge: false, nodes: [] },
    });
  }
  flow(placed, width - 2 * MARGIN);
  return placed;
}

/** A step, or an unfolded box with its nodes, without a place. */
function cardOf(box: Told, key: string, given: Arrangement, measure: Measure): Placed {
  const nodes = given.opened.has(box.key) ? given.nodesOf(box) : [];
  const widest = Math.min(nodes.length ? 280 : WIDEST, given.width - 2 * MARGIN);
  const lines = wrapText(inText(box.name), TITLE, widest - 28, measure, 3);
  const effect = effectText(box.effect);
  const share = percent(box.share);
  const longest = Math.max(
    ...lines.map((line) => measure(line, TITLE)),
    measure(effect, DETAIL) + measure(share, DETAIL) + 24,
    ...nodes.map(({ text, share }) => measure(text, DETAIL) + measure(share, DETAIL) + 22),
  );
  const width = Math.min(widest, Math.max(NARROWEST, longest + 28));
  return {
    key,
    boxes: [box],
    role: "step",
    x: 0,
    y: 0,
    width,
    height: lines.length * LINE + 34 + nodes.length * NODE_LINE + (nodes.length ? 8 : 0),
    lines,
    effect,
    share,
    isLarge: true,
    nodes: nodes.map((line) => ({
      ...line,
      text: cutText(line.text, DETAIL, width - 42 - measure(line.share, DETAIL), measure),
    })),
  };
}

function foldOf(box: Told, measure: Measure): Placed {
  const lines = wrapText(inText(box.name), DETAIL, COLUMN - 16, measure, 2);
  return {
    key: box.key,
    boxes: [box],
    role: "fold",
    x: COLUMN / 2,
    y: 0,
    width: COLUMN,
    height: lines.length * 14 + 26,
    lines,
    effect: "",
    share: percent(box.share),
    isLarge: false,
    nodes: [],
  };
}

export const effectText = (effect: number | null): string =>
  effect === null ? "" : signed(effect, Math.abs(effect) < 0.1 ? 2 : 1);

/** Boxes side by side on as many lines as they need, from the top left; returns the height. */
function flow(row: Placed[], width: number): number {
  let [x, top, line] = [0, 0, 0];
  for (const box of row) {
    if (x && x + box.width > width) [x, top, line] = [0, top + line + 10, 0];
    box.x = x + box.width / 2;
    box.y = top + box.height / 2;
    x += box.width + 8;
    line = Math.max(line, box.height);
  }
  return top + line;
}

/** Move lines of a row so that each stands around a place, within left and right. */
function centre(row: Placed[], place: number, left: number, right: number): void {
  const topOf = ({ y, height }: Placed) => Math.round(y - height / 2);
  for (const top of new Set(row.map(topOf))) {
    const line = row.filter((box) => topOf(box) === top);
    const first = line[0];
    const whole = line.reduce((sum, { width }) => sum + width + 8, -8);
    // The likeliest output stands at the place itself, where that leaves room for the others.
    const begin = Math.max(left, Math.min(place - first.width / 2, right - whole));
    const shift = begin - (first.x - first.width / 2);
    for (const box of line) box.x += shift;
  }
}

/** Cards in rows from the bottom up: about two in each where the height allows, and no more than fit side by side. */
function rowsOf(cards: Placed[], width: number, room: number): Placed[][] {
  if (!cards.length) return [];
  const high = mean(cards.map(({ height }) => height));
  const most = Math.max(1, Math.floor((room - LEAST_GAP) / (high + LEAST_GAP)));
  const wanted = Math.max(1, Math.min(most, Math.ceil(cards.length / 2)));
  const each = Math.ceil(cards.length / wanted);
  const rows: Placed[][] = [[]];
  let used = 0;
  for (const card of cards) {
    const row = rows.at(-1)!;
    if (row.length && (row.length >= each || used + BESIDE + card.width > width)) {
      rows.push([card]);
      used = card.width;
    } else {
      row.push(card);
      used += (row.length > 1 ? BESIDE : 0) + card.width;
    }
  }
  return rows;
}

/** Rows from the bottom up; a box stands over what it reads from, and over its own tokens. */
function placeRows(
  rows: Placed[][],
  { edges, width }: Arrangement,
  placed: readonly Placed[],
  left: number,
  bottom: number,
  gap: number,
): void {
  const xOf = new Map<number, number>();
  const atPosition = new Map<number, number>();
  const note = (box: Placed) => {
    for (const { place } of box.boxes) xOf.set(place, box.x);
  };
  for (const box of placed) {
    if (box.role === "fold") continue;
    note(box);
    for (const { positions } of box.boxes) atPosition.set(positions[0], box.x);
  }
  let y = bottom;
  for (const row of rows) {
    const high = tallest(row);
    y -= gap + high;
    const wanted = row.map(({ boxes: [box] }) => {
      const ends = box.positions.map((position) => atPosition.get(position) ?? (left + width) / 2);
      const own = (ends[0] + ends[1]) / 2;
      let [sum, whole] = [0, 0];
      for (const { source, target, carried } of edges) {
        const x = target === box.place ? xOf.get(source) : undefined;
        if (x === undefined) continue;
        sum += carried * x;
        whole += carried;
      }
      return whole ? 0.6 * (sum / whole) + 0.4 * own : own;
    });
    const widths = row.map((box) => box.width);
    const spare = width - MARGIN - left - widths.reduce((sum, each) => sum + each, 0);
    const apart = Math.min(WIDE_BESIDE, Math.max(BESIDE, (0.5 * spare) / row.length));
    const places = packed(wanted, widths, left, width - MARGIN, apart);
    row.forEach((box, place) => {
      box.x = places[place];
      box.y = y + high - box.height / 2;
      note(box);
    });
  }
}

/** Folded boxes in the column at the left, at the heights of their layers, apart from each other. */
function placeColumn(folds: Placed[], { graph }: Arrangement, top: number, bottom: number): void {
  const order = [...folds].sort((one, other) => levelOf(other.boxes[0]) - levelOf(one.boxes[0]));
  const wanted = order.map(({ boxes: [box] }) => {
    const up = Math.max(0, levelOf(box)) / Math.max(1, graph.nLayers - 1);
    return bottom - 30 - (bottom - top - 60) * up;
  });
  const places = packed(
    wanted,
    order.map(({ height }) => height),
    top,
    bottom - 12,
    10,
  );
  order.forEach((fold, place) => {
    fold.x = MARGIN + COLUMN / 2;
    fold.y = places[place];
  });
}
