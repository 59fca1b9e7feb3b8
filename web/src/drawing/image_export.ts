/** Save the drawing of a graph as an image: SVG or PNG. */

import { paintOverlay, paintScene } from "./paint_graph.ts";
import type { Overlay, Scene } from "./link_scene.ts";
import { SvgContext } from "./svg_context.ts";

/** Pixels of a PNG for each pixel on the page. */
const SCALE = 2;
/** Styles that a copy of an SVG drawing needs of its own. */
const COPIED = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
];

/** Gives the scene of the link graph, which registers itself here while it is mounted. */
let sceneOnShow: (() => { scene: Scene; overlay: Overlay } | null) | null = null;

export function offerScene(give: typeof sceneOnShow): void {
  sceneOnShow = give;
}

/** Throws a sentence where there is nothing to draw. */
export async function saveImage(stage: HTMLElement, kind: "svg" | "png", name: string): Promise<void> {
  const background = getComputedStyle(stage.ownerDocument.documentElement).backgroundColor;
  const svg = svgOf(stage, background);
  if (!svg) throw new Error("There is nothing to draw yet.");
  const file = new Blob([svg.text], { type: "image/svg+xml" });
  download(kind === "svg" ? file : await pixels(file, svg.width, svg.height), `${fileName(name)}.${kind}`);
}

function svgOf(
  stage: HTMLElement,
  background: string,
): { text: string; width: number; height: number } | null {
  const offered = sceneOnShow?.();
  if (offered) {
    const { width, height } = offered.scene;
    const context = new SvgContext(width, height, background);
    // The painting functions use only what this context has.
    const canvas = context as unknown as CanvasRenderingContext2D;
    paintScene(canvas, offered.scene);
    paintOverlay(canvas, offered.scene, offered.overlay);
    return { text: context.text(), width, height };
  }
  const shown = stage.querySelector<SVGSVGElement>(".boxes > svg");
  return shown && { text: standAlone(shown, background), ...sizeOf(shown) };
}

const sizeOf = (svg: SVGSVGElement) => ({
  width: Number(svg.getAttribute("width")),
  height: Number(svg.getAttribute("height")),
});

/** An SVG drawing as a file that needs no style sheet. */
function standAlone(shown: SVGSVGElement, background: string): string {
  const copy = shown.cloneNode(true) as SVGSVGElement;
  const originals = shown.querySelectorAll<SVGElement>("*");
  copy.querySelectorAll<SVGElement>("*").forEach((element, place) => {
    const style = getComputedStyle(originals[place]);
    for (const name of COPIED) {
      const value = style.getPropertyValue(name);
      if (value && value !== "none") element.setAttribute(name, value);
      else if (name === "fill") element.setAttribute(name, "none");
    }
    for (const name of ["class", "tabindex", "role", "data-key"]) element.removeAttribute(name);
  });
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ width: "100%", height: "100%", fill: background }))
    ground.setAttribute(name, value);
  copy.prepend(ground);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(copy);
}

async function pixels(svg: Blob, width: number, height: number): Promise<Blob> {
  const address = URL.createObjectURL(svg);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * SCALE, height * SCALE];
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    const png = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!png) throw new Error("The image is too large for this browser.");
    return png;
  } finally {
    URL.revokeObjectURL(address);
  }
}

function download(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A file name made from a prompt. */
const fileName = (prompt: string): string =>
  prompt
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 60) || "graph";
