/** Save the view on show as an image: SVG, PNG or PDF, light or dark. */

import { fonts } from "../drawing/fonts.svelte.ts";
import { record, type Drawing, type Paint } from "./drawing.ts";
import { pdfBytes } from "./pdf_writer.ts";
import { svgText } from "./svg_writer.ts";
import { themePalette, type Theme } from "./theme_palette.ts";

export type ImageFormat = "svg" | "pdf" | "png2" | "png4";

/** Gives the painting of the view on show, which registers itself here while it is mounted. */
let onShow: (() => Paint | null) | null = null;

/** Offer a view for export until the returned function is called. */
export function offerPainting(give: () => Paint | null): () => void {
  onShow = give;
  return () => {
    if (onShow === give) onShow = null;
  };
}

/** Throws a sentence where there is nothing to draw. */
export async function saveImage(format: ImageFormat, theme: Theme, name: string): Promise<void> {
  const paint = onShow?.();
  if (!paint) throw new Error("There is nothing to draw yet.");
  const drawing = record(paint, themePalette(theme), fonts.measure);
  if (!drawing.shapes.length) throw new Error("There is nothing to draw yet.");
  download(await fileOf(drawing, format), `${fileName(name)}.${format.slice(0, 3)}`);
}

async function fileOf(drawing: Drawing, format: ImageFormat): Promise<Blob> {
  if (format === "pdf") return new Blob([pdfBytes(drawing) as BlobPart], { type: "application/pdf" });
  const svg = new Blob([svgText(drawing)], { type: "image/svg+xml" });
  return format === "svg" ? svg : pixels(svg, drawing.frame, format === "png2" ? 2 : 4);
}

async function pixels(svg: Blob, { width, height }: Drawing["frame"], scale: number): Promise<Blob> {
  const address = URL.createObjectURL(svg);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
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
