/** Draw a graph's view without a browser: `clew export` runs this script. */

import "./no_browser.ts";

import { FIRST_VIEW, type Mode } from "../app/address.ts";
import { edgesBetween, FIGURE_SIZE, figureOf, layOutBoxes } from "../drawing/box_figure.ts";
import { chosenBoxes, summaryBoxes, type Box } from "../drawing/boxes.ts";
import { aspectOf, fittedCamera } from "../drawing/camera.ts";
import { strongestEdges } from "../drawing/drawn_edges.ts";
import { layOut } from "../drawing/link_layout.ts";
import { paintScene } from "../drawing/paint_graph.ts";
import { readGraph } from "../graph/read_graph.ts";
import type { FeatureLabel, IndexAbout, StoryAnswer, SummaryAnswer } from "../api/types.ts";
import { OpenGraph } from "../open_graph/open_graph.svelte.ts";
import { toldBoxes } from "../story/story.ts";
import { arrange } from "../story/story_layout.ts";
import { shownLines, storyLines } from "../story/story_lines.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { record, type Drawing, type Paint } from "./drawing.ts";
import { figureFonts, fontFor, measureByFonts } from "./figure_fonts.ts";
import { paintBoxes } from "./paint_boxes.ts";
import { paintStory } from "./paint_story.ts";
import { pdfBytes } from "./pdf_writer.ts";
import { svgText } from "./svg_writer.ts";
import { themePalette, type Theme } from "./theme_palette.ts";

interface Request {
  /** A `.clew` file in Base64. */
  graph: string;
  view: "story" | "summary" | "chosen" | "everything";
  theme: Theme;
  format: "svg" | "pdf";
  story: StoryAnswer | null;
  summary: SummaryAnswer | null;
  /** Labels of an index. */
  labels: Record<string, FeatureLabel>;
}

/** Sizes of the page's drawings in a window of 1280 x 800. */
const WINDOW = { width: 936, height: 680 };
const WIDE = { width: 1180, height: 760 };

/** The figure, a PDF in Base64; and the characters that its fonts lack. */
export function drawFigure(request: string): string {
  const given = JSON.parse(request) as Request;
  const bytes = fromBase64(given.graph);
  const mode: Mode = given.view === "everything" ? "all" : given.view;
  const view = { ...FIRST_VIEW, mode };
  const index = { index: {} as IndexAbout, labels: given.labels, features: {} };
  const openGraph = new OpenGraph(readGraph(bytes.buffer as ArrayBuffer), null, view, undefined, index);
  openGraph.serverGroups.story = given.story;
  openGraph.serverGroups.summary = given.summary;
  const drawing = record(painting(openGraph, given), themePalette(given.theme), measureByFonts);
  const lacking = lackingIn(drawing);
  const content = given.format === "svg" ? svgText(drawing) : toBase64(pdfBytes(drawing));
  return JSON.stringify({ content, lacking });
}

/** Characters of a drawing that its fonts do not have. */
function lackingIn({ shapes }: Drawing): string {
  const lacking = shapes.flatMap((shape) => {
    if (shape.kind !== "text") return [];
    const { font } = fontFor(shape.style);
    return Array.from(shape.text).filter((character) => !font.glyphOf(character));
  });
  return [...new Set(lacking)].join("");
}

/** The fonts in Base64, for a program that turns the figure into pixels. */
export const fontFiles = (): string =>
  JSON.stringify(Object.values(figureFonts()).map(({ bytes }) => toBase64(bytes)));

function painting(openGraph: OpenGraph, { view, story }: Request): Paint {
  if (view === "everything") return everything(openGraph);
  if (view === "story" && story) return storyPainting(openGraph, story);
  return boxPainting(openGraph, view === "chosen");
}

function boxPainting(openGraph: OpenGraph, isFigure: boolean): Paint {
  const boxes = isFigure ? chosenBoxes(openGraph) : summaryBoxes(openGraph);
  const edges = edgesBetween(openGraph, boxes);
  const places = isFigure ? openGraph.annotations.places : undefined;
  const size = isFigure ? FIGURE_SIZE : WINDOW;
  const settings = { ...size, measure: measureByFonts, active: -1, isFigure, places };
  const placed = layOutBoxes(openGraph.graph, boxes, edges, settings);
  const figure = figureOf(openGraph.graph, placed, edges, settings);
  const isQuiet = (box: Box) => box.key.startsWith("n:") && openGraph.labels.isNamedByRule(box.members[0]);
  return (context, palette) => paintBoxes(context, { figure, measure: measureByFonts, isQuiet }, palette);
}

function storyPainting(openGraph: OpenGraph, story: StoryAnswer): Paint {
  const { placed } = arrange({
    graph: openGraph.graph,
    boxes: toldBoxes(openGraph, story),
    edges: story.edges,
    ...WINDOW,
    opened: new Set(),
    unfolded: new Set(),
    nodesOf: () => [],
    measure: measureByFonts,
  });
  const lines = shownLines(placed, storyLines(placed, story.edges), -1);
  return (context, palette) => paintStory(context, { placed, lines }, palette);
}

function everything({ graph, prepared, pruned, annotations, labels, byInfluence }: OpenGraph): Paint {
  const { mask } = pruned;
  const { groupOf, pins } = annotations;
  const layout = layOut(graph, mask, [], aspectOf(WIDE));
  const strongest = strongestEdges(prepared, mask.node, mask.edge);
  const { labelOf, isNamedByRule, hintOf } = labels;
  const camera = fittedCamera(layout, WIDE);
  const names = { labelOf, isNamedByRule, hintOf };
  const marks = {
    colorOf: (node: number) => groupOf.get(node)?.color ?? null,
    isPinned: (node: number) => pins.has(node),
  };
  const shown = { shownNode: mask.node, strongest, glow: null, byInfluence };
  return (context, palette) =>
    paintScene(context, { graph, layout, palette, camera, ...WIDE, ...names, ...marks, ...shown });
}

Object.assign(globalThis, { drawFigure, fontFiles });
