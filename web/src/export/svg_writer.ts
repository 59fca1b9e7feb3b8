/** A drawing as an SVG file, with its fonts inside. */

import { toBase64 } from "./base64.ts";
import { usedGlyphs, type Drawing } from "./drawing.ts";
import { fontFor } from "./figure_fonts.ts";
import type { PathShape, TextShape } from "./recorded_context.ts";

export function svgText({ shapes, frame, background }: Drawing): string {
  const { x, y, width, height } = frame;
  const faces = [...usedGlyphs(shapes)].map(([{ family, weight, font }, glyphs]) => {
    const data = toBase64(font.subset(new Set(glyphs.keys())));
    return `@font-face{font-family:"${family}";font-weight:${weight};src:url(data:font/ttf;base64,${data})}`;
  });
  const parts = shapes.map((shape) => (shape.kind === "path" ? pathElement(shape) : textElement(shape)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${at(width)}" height="${at(height)}" viewBox="${[x, y, width, height].map(at).join(" ")}">`,
    `<style>${faces.join("")}text{white-space:pre;font-variant-ligatures:none}</style>`,
    `<rect x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" fill="${escaped(background)}"/>`,
    ...parts,
    "</svg>",
  ].join("\n");
}

function pathElement({ steps, fill, stroke, width, dash, opacity }: PathShape): string {
  const line =
    stroke === null
      ? ""
      : ` stroke="${escaped(stroke)}" stroke-width="${at(width)}"${faded("stroke", opacity)}`;
  const dashes = dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : "";
  const path = steps.map(([letter, ...points]) => letter + points.map(at).join(" ")).join("");
  return `<path d="${path}" fill="${escaped(fill ?? "none")}"${fill === null ? "" : faded("fill", opacity)}${line}${dashes}/>`;
}

function textElement(shape: TextShape): string {
  const { text, style, color, x, y, angle, opacity } = shape;
  const { family, weight } = fontFor(style);
  const turn = angle ? ` transform="rotate(${at((angle * 180) / Math.PI)} ${at(x)} ${at(y)})"` : "";
  const generic = style.family === "mono" ? "monospace" : "sans-serif";
  return (
    `<text x="${at(x)}" y="${at(y)}" font-family="'${family}',${generic}" font-size="${style.size}" ` +
    `font-weight="${weight}" fill="${escaped(color)}" xml:space="preserve"${turn}${faded("fill", opacity)}>${escaped(text)}</text>`
  );
}

const faded = (paint: "fill" | "stroke", opacity: number): string =>
  opacity < 1 ? ` ${paint}-opacity="${opacity.toFixed(3)}"` : "";
const at = (value: number): string => String(Math.round(value * 100) / 100);

/** Characters that XML cannot hold become the sign for what cannot be shown. */
const escaped = (text: string): string =>
  text
    .replace(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      "\ufffd",
    )
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
