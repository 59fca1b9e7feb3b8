/** Places of boxes in a window, and the curves between them. */

import type { Graph } from "../graph/graph.ts";
import type { Box } from "./boxes.ts";

export interface PlacedBox extends Box {
  /** Middle of the box. */
  x: number;
  y: number;
  width: number;
  height: number;
  /** The title, broken into lines. */
  lines: string[];
}

/** Average width of a character, height of a line, and width of the widest box (pixels). */
const CHARACTER = 6.7;
const LINE = 16;
const WIDEST = 190;

/** A title in at most three lines of `room` pixels. */
function wrap(text: string, room: number): string[] {
  // A token in quotes keeps the space that it begins with.
  const words = text.split(/(?<!["“]) /);
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    const longer = line ? `${line} ${word}` : word;
    if (longer.length * CHARACTER <= room || !line) line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  lines.push(line);
  const shown = lines.slice(0, 3);
  if (lines.length > 3) shown[2] += " …";
  return shown.map((each) =>
    each.length * CHARACTER > room + 12 ? `${each.slice(0, Math.floor(room / CHARACTER))}…` : each,
  );
}

/** Boxes in a window: layers up, positions across, none over another. */
export function placeBoxes(graph: Graph, boxes: readonly Box[], width: number, height: number): PlacedBox[] {
  const middle = (box: Box, values: ArrayLike<number>) => {
    let [sum, whole] = [0, 0];
    for (const node of box.members) {
      const weight = graph.influence[node] + 1e-9;
      sum += weight * values[node];
      whole += weight;
    }
    return sum / whole;
  };
  const across = shares(
    boxes,
    (box) => middle(box, graph.position),
    (box) => middle(box, graph.layer),
  );
  const placed = boxes.map((box, place): PlacedBox => {
    const lines = wrap(box.title, WIDEST - 24);
    const longest = Math.max(...lines.map((line) => line.length * CHARACTER), box.detail.length * 5.9);
    const wide = Math.min(WIDEST + 12, Math.max(64, longest + 26));
    const high = lines.length * LINE + 24;
    const up =
      box.kind === "target" ? 1 : box.kind === "token" ? 0 : levelOf(graph, middle(box, graph.layer));
    return {
      ...box,
      lines,
      width: wide,
      height: high,
      x: 24 + wide / 2 + across[place] * Math.max(0, width - 48 - wide),
      y: height - 24 - high / 2 - up * Math.max(0, height - 48 - high),
    };
  });
  for (const kind of ["target", "token"] as const)
    spread(
      placed.filter((box) => box.kind === kind),
      width,
    );
  separate(placed, width, height);
  return placed;
}

/**
 * Places of boxes between left (0) and right (1): half by position in the prompt, half by rank among the boxes of the
 * same row (tokens, outputs, all between), so that the whole width is used.
 */
function shares(
  boxes: readonly Box[],
  positionOf: (box: Box) => number,
  layerOf: (box: Box) => number,
): number[] {
  const positions = boxes.map(positionOf);
  const [least, most] = [Math.min(...positions), Math.max(...positions)];
  const across = new Array<number>(boxes.length);
  for (const row of ["target", "token", "between"]) {
    const inRow = boxes
      .map((_, place) => place)
      .filter((place) => rowOf(boxes[place]) === row)
      .sort((one, other) => positions[one] - positions[other] || layerOf(boxes[one]) - layerOf(boxes[other]));
    inRow.forEach((place, rank) => {
      const byPosition = most > least ? (positions[place] - least) / (most - least) : 0.5;
      const byRank = inRow.length > 1 ? rank / (inRow.length - 1) : byPosition;
      across[place] = row === "target" ? 0.7 + 0.3 * byRank : (byPosition + byRank) / 2;
    });
  }
  return across;
}

const rowOf = (box: Box): string => (box.kind === "target" || box.kind === "token" ? box.kind : "between");

/** The height of a layer between tokens at 0 and outputs at 1, with some room to both. */
const levelOf = (graph: Graph, layer: number): number =>
  0.13 + (0.74 * Math.max(0, layer)) / Math.max(1, graph.nLayers - 1);

/** Move boxes of one row so that they stand side by side, in their order and near to their places. */
function spread(row: PlacedBox[], width: number): void {
  const order = [...row].sort((one, other) => one.x - other.x || one.members[0] - other.members[0]);
  const gap = 10;
  let right = 24 - gap;
  for (const box of order) {
    box.x = Math.max(box.x, right + gap + box.width / 2);
    right = box.x + box.width / 2;
  }
  let left = Math.max(width - 24, right > width - 24 ? 0 : width - 24) + gap;
  for (const box of order.reverse()) {
    box.x = Math.min(box.x, left - gap - box.width / 2);
    left = box.x - box.width / 2;
  }
}

/** Push boxes that lie on each other apart, mostly sideways; tokens and outputs keep their rows. */
function separate(boxes: PlacedBox[], width: number, height: number): void {
  const isFixed = (box: PlacedBox) => box.kind === "target" || box.kind === "token";
  for (let round = 0; round < 200; round++) {
    let moved = false;
    for (let i = 0; i < boxes.length; i++)
      for (let j = i + 1; j < boxes.length; j++) {
        const [one, other] = [boxes[i], boxes[j]];
        const overlapX = (one.width + other.width) / 2 + 14 - Math.abs(one.x - other.x);
        const overlapY = (one.height + other.height) / 2 + 12 - Math.abs(one.y - other.y);
        if (overlapX <= 0 || overlapY <= 0) continue;
        moved = true;
        const sideways = overlapX < overlapY * 1.6;
        const share = isFixed(one) && isFixed(other) ? 0.5 : isFixed(one) ? 0 : isFixed(other) ? 1 : 0.5;
        const axis = sideways || (isFixed(one) && isFixed(other)) ? "x" : "y";
        const overlap = (axis === "x" ? overlapX : overlapY) + 0.5;
        const sign = one[axis] < other[axis] || (one[axis] === other[axis] && i < j) ? -1 : 1;
        one[axis] += sign * overlap * share;
        other[axis] -= sign * overlap * (1 - share);
      }
    for (const box of boxes) {
      box.x = Math.min(
        Math.max(box.x, 16 + box.width / 2),
        Math.max(width - 16 - box.width / 2, 16 + box.width / 2),
      );
      if (!isFixed(box))
        box.y = Math.min(
          Math.max(box.y, 16 + box.height / 2),
          Math.max(height - 16 - box.height / 2, 16 + box.height / 2),
        );
    }
    if (!moved) return;
  }
}

/** A curve from the top of one box to the bottom of another, or around where it does not lead up. */
export function curve(from: PlacedBox, to: PlacedBox): string {
  const [x0, y0] = [from.x, from.y - from.height / 2];
  const [x1, y1] = [to.x, to.y + to.height / 2];
  const bend = Math.max(24, Math.abs(y0 - y1) * 0.45);
  const at = (value: number) => value.toFixed(1);
  return `M${at(x0)},${at(y0)}C${at(x0)},${at(y0 - bend)} ${at(x1)},${at(y1 + bend)} ${at(x1)},${at(y1)}`;
}
