/** A drawing of boxes as data: the page shows it, and exports paint it. */

import { probability } from "../format/numbers.ts";
import { targetOf, targetsByWeight, type Graph } from "../graph/graph.ts";
import { groupEdges, groupNumbers, type GroupEdge } from "../graph/group_edges.ts";
import { questionOf } from "../graph/roles.ts";
import { inText } from "../graph/token_text.ts";
import type { OpenGraph } from "../open_graph/open_graph.svelte.ts";
import { DETAIL, placeBoxes, TITLE, type BoxPlace, type PlacedBox } from "./box_layout.ts";
import { drawnEdges, linesOf, type Line } from "./box_lines.ts";
import type { Box } from "./boxes.ts";
import { wrapText, type Measure, type TextStyle } from "./text_measure.ts";

export interface Caption {
  rows: { text: string; y: number; style: TextStyle; isQuiet: boolean }[];
  x: number;
}

export interface BoxFigure {
  boxes: PlacedBox[];
  lines: Line[];
  caption: Caption | null;
  /** What the drawing covers: corner and size. */
  frame: { x: number; y: number; width: number; height: number };
}

/** Pixels between rows: with weights on the lines, and without. */
const BETWEEN = { weighted: 52, plain: 28 };
/** Edges of at least this share of their target's input keep boxes apart in a drawing that shows edges on demand. */
const SEPARATES = 0.1;
const MARGIN = 20;
const CAPTION_LINE = 17;
/** Size of the chosen nodes' drawing, in which a person's places are kept; it is scaled to the window. */
export const FIGURE_SIZE = { width: 960, height: 560 };

/** The edges between boxes, in the part of the graph that is shown. */
export function edgesBetween({ graph, prepared, pruned }: OpenGraph, boxes: readonly Box[]): GroupEdge[] {
  const numbers = groupNumbers(
    graph.nNodes,
    boxes.map(({ members }) => members),
  );
  return groupEdges(prepared, numbers, boxes.length, pruned.mask).edges;
}

export interface FigureSettings {
  width: number;
  height: number;
  measure: Measure;
  /** The place of the box whose lines are shown; -1 for none. */
  active: number;
  /** True for a drawing to publish: weights on lines, and a caption. */
  isFigure: boolean;
  places?: ReadonlyMap<string, BoxPlace> | undefined;
}

/** Boxes in their places. */
export const layOutBoxes = (
  graph: Graph,
  boxes: readonly Box[],
  edges: readonly GroupEdge[],
  { width, height, measure, isFigure, places }: FigureSettings,
): PlacedBox[] =>
  placeBoxes(
    graph,
    boxes,
    isFigure ? drawnEdges(edges, -1) : edges.filter(({ share }) => share >= SEPARATES),
    {
      width,
      height,
      measure,
      between: isFigure ? BETWEEN.weighted : BETWEEN.plain,
      places,
    },
  );

/** The drawing of boxes that have their places. */
export function figureOf(
  graph: Graph,
  boxes: PlacedBox[],
  edges: readonly GroupEdge[],
  settings: FigureSettings,
): BoxFigure {
  const lines = linesOf(boxes, drawnEdges(edges, settings.active), {
    most: edges[0]?.carried ?? 0,
    isActive: settings.active >= 0,
    measure: settings.isFigure || settings.active >= 0 ? settings.measure : undefined,
  });
  const frame = frameOf(boxes);
  if (!settings.isFigure) return { boxes, lines, caption: null, frame };
  const caption = captionOf(graph, frame, settings.measure);
  const widest = Math.max(...caption.rows.map(({ text, style }) => settings.measure(text, style)));
  const left = Math.min(frame.x, caption.x - widest / 2 - MARGIN);
  const right = Math.max(frame.x + frame.width, caption.x + widest / 2 + MARGIN);
  const bottom = caption.rows.at(-1)!.y + MARGIN;
  return {
    boxes,
    lines,
    caption,
    frame: { x: left, y: frame.y, width: right - left, height: bottom - frame.y },
  };
}

/** The room that boxes take, with a margin. */
function frameOf(boxes: readonly PlacedBox[]): BoxFigure["frame"] {
  if (!boxes.length) return { x: 0, y: 0, width: 1, height: 1 };
  const left = Math.min(...boxes.map(({ x, width }) => x - width / 2)) - MARGIN;
  const right = Math.max(...boxes.map(({ x, width }) => x + width / 2)) + MARGIN;
  const top = Math.min(...boxes.map(({ y, height }) => y - height / 2)) - MARGIN;
  const bottom = Math.max(...boxes.map(({ y, height }) => y + height / 2)) + MARGIN;
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The prompt with its answer, and the meaning of the numbers on the lines. */
function captionOf(graph: Graph, frame: BoxFigure["frame"], measure: Measure): Caption {
  const [best] = targetsByWeight(graph);
  const answer = best === undefined ? null : targetOf(graph, best);
  const answered = answer
    ? `  →  ${inText(answer.text).trim()} ${probability(answer.probability ?? answer.weight)}`
    : "";
  const room = Math.max(420, frame.width - 2 * MARGIN);
  const prompt = wrapText(`“${inText(questionOf(graph.info))}”${answered}`, TITLE, room, measure, 4);
  const meaning = wrapText(
    "On a line: its share of what flows into the box at its head; dashed and − where it weakens.",
    DETAIL,
    room,
    measure,
    2,
  );
  let y = frame.y + frame.height + 6;
  const rows = [
    ...prompt.map((text) => ({ text, style: TITLE, isQuiet: false })),
    ...meaning.map((text) => ({ text, style: DETAIL, isQuiet: true })),
  ].map((row) => {
    const placed = { ...row, y };
    y += CAPTION_LINE;
    return placed;
  });
  return { rows, x: frame.x + frame.width / 2 };
}
