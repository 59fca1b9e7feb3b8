/** A drawing as a PDF file of one page, with its fonts inside; its text can be searched and copied. */

import { together } from "./bytes.ts";
import { usedGlyphs, type Drawing } from "./drawing.ts";
import { fontFor, type FigureFont } from "./figure_fonts.ts";
import type { PathShape, TextShape } from "./recorded_context.ts";

/** Points of a PDF for each pixel on the page. */
const POINTS = 0.75;

export function pdfBytes(drawing: Drawing): Uint8Array {
  const { shapes, frame, background } = drawing;
  const fonts = usedGlyphs(shapes);
  const nameOf = new Map([...fonts.keys()].map((font, place) => [font, `F${place}`]));
  const opacities = [...new Set(shapes.map(({ opacity }) => opacity.toFixed(2)))];
  const file = new Objects();

  const content = [
    `${number(POINTS)} 0 0 ${number(-POINTS)} ${number(-frame.x * POINTS)} ${number((frame.y + frame.height) * POINTS)} cm`,
    `${color(background)} rg ${[frame.x, frame.y, frame.width, frame.height].map(number).join(" ")} re f`,
    "1 J 1 j",
    ...shapes.map((shape) => {
      const state = `/G${opacities.indexOf(shape.opacity.toFixed(2))} gs`;
      return shape.kind === "path" ? pathOperators(shape, state) : textOperators(shape, state, nameOf);
    }),
  ].join("\n");

  const [catalog, pages, page, stream] = [file.reserve(), file.reserve(), file.reserve(), file.reserve()];
  const fontEntries = [...fonts].map(
    ([font, glyphs]) => `/${nameOf.get(font)} ${addFont(file, font, glyphs)} 0 R`,
  );
  const states = opacities.map((opacity, place) => `/G${place} <</ca ${opacity}/CA ${opacity}>>`);
  file.set(catalog, `<</Type/Catalog/Pages ${pages} 0 R>>`);
  file.set(pages, `<</Type/Pages/Kids[${page} 0 R]/Count 1>>`);
  file.set(
    page,
    `<</Type/Page/Parent ${pages} 0 R/MediaBox[0 0 ${number(frame.width * POINTS)} ${number(frame.height * POINTS)}]` +
      `/Group<</S/Transparency/CS/DeviceRGB>>/Contents ${stream} 0 R` +
      `/Resources<</Font<<${fontEntries.join("")}>>/ExtGState<<${states.join("")}>>>>>>`,
  );
  file.setStream(stream, "", ascii(content));
  return file.bytes(catalog);
}

function pathOperators({ steps, fill, stroke, width, dash }: PathShape, state: string): string {
  const operators = { M: "m", L: "l", C: "c", Z: "h" };
  const path = steps
    .map(([letter, ...points]) => `${points.map(number).join(" ")} ${operators[letter]}`)
    .join(" ");
  const paint =
    stroke === null
      ? `${color(fill!)} rg ${path} f`
      : `${color(stroke)} RG ${number(width)} w [${dash.map(number).join(" ")}] 0 d ${path} S`;
  return `q ${state} ${dash.length ? "0 J " : ""}${paint} Q`;
}

function textOperators(shape: TextShape, state: string, names: ReadonlyMap<FigureFont, string>): string {
  const { text, style, color: ink, x, y, angle } = shape;
  const font = fontFor(style);
  const codes = Array.from(text, (character) => hex(font.font.glyphOf(character))).join("");
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  // The page's y grows downwards, that of letters upwards.
  const matrix = [cos, sin, sin, -cos, x, y].map(number).join(" ");
  return `q ${state} BT ${color(ink)} rg /${names.get(font)} ${number(style.size)} Tf ${matrix} Tm <${codes}> Tj ET Q`;
}

/** A font by its glyphs' numbers, with the glyphs that are used; returns its object's number. */
function addFont(file: Objects, { family, weight, font }: FigureFont, glyphs: Map<number, string>): number {
  const name = `CLEWAA+${family.replaceAll(" ", "")}-${weight}`;
  const [whole, part, description, program, unicode] = [0, 1, 2, 3, 4].map(() => file.reserve());
  const used = [...glyphs.keys()].sort((one, other) => one - other);
  const widths = used.map((glyph) => `${glyph}[${number(font.widthOf(glyph))}]`).join("");
  const box = font.box.map(Math.round).join(" ");
  const bytes = font.subset(new Set(used));
  file.set(
    whole,
    `<</Type/Font/Subtype/Type0/BaseFont/${name}/Encoding/Identity-H/DescendantFonts[${part} 0 R]/ToUnicode ${unicode} 0 R>>`,
  );
  file.set(
    part,
    `<</Type/Font/Subtype/CIDFontType2/BaseFont/${name}/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>` +
      `/FontDescriptor ${description} 0 R/DW 1000/W[${widths}]/CIDToGIDMap/Identity>>`,
  );
  file.set(
    description,
    `<</Type/FontDescriptor/FontName/${name}/Flags 4/FontBBox[${box}]/ItalicAngle 0/Ascent ${Math.round(font.ascent)}` +
      `/Descent ${Math.round(font.descent)}/CapHeight 700/StemV 80/FontFile2 ${program} 0 R>>`,
  );
  file.setStream(program, `/Length1 ${bytes.length}`, bytes);
  file.setStream(unicode, "", ascii(unicodeMap(used, glyphs)));
  return whole;
}

/** The table by which a reader copies text. */
function unicodeMap(used: readonly number[], glyphs: Map<number, string>): string {
  const utf16 = (text: string) =>
    Array.from({ length: text.length }, (_, at) => hex(text.charCodeAt(at))).join("");
  const rows = used.map((glyph) => `<${hex(glyph)}><${utf16(glyphs.get(glyph)!)}>`);
  const blocks: string[] = [];
  for (let at = 0; at < rows.length; at += 100) {
    const block = rows.slice(at, at + 100);
    blocks.push(`${block.length} beginbfchar\n${block.join("\n")}\nendbfchar`);
  }
  return (
    "/CIDInit/ProcSet findresource begin 12 dict begin begincmap /CMapName/C def /CMapType 2 def\n" +
    `1 begincodespacerange\n<0000><ffff>\nendcodespacerange\n${blocks.join("\n")}\nendcmap end end`
  );
}

/** The numbered objects of a PDF file. */
class Objects {
  private readonly contents: Uint8Array[] = [];

  reserve(): number {
    return this.contents.push(new Uint8Array());
  }

  set(place: number, text: string): void {
    this.contents[place - 1] = ascii(text);
  }

  setStream(place: number, entries: string, bytes: Uint8Array): void {
    const head = ascii(`<<${entries}/Length ${bytes.length}>>\nstream\n`);
    this.contents[place - 1] = together([head, bytes, ascii("\nendstream")]);
  }

  bytes(root: number): Uint8Array {
    const parts = [ascii("%PDF-1.7\n"), new Uint8Array([37, 226, 227, 207, 211, 10])];
    const begins: number[] = [];
    let length = parts[0].length + parts[1].length;
    const add = (part: Uint8Array) => {
      parts.push(part);
      length += part.length;
    };
    this.contents.forEach((content, place) => {
      begins.push(length);
      add(ascii(`${place + 1} 0 obj\n`));
      add(content);
      add(ascii("\nendobj\n"));
    });
    const rows = begins.map((begin) => `${String(begin).padStart(10, "0")} 00000 n \n`).join("");
    const count = begins.length + 1;
    add(
      ascii(
        `xref\n0 ${count}\n0000000000 65535 f \n${rows}trailer\n<</Size ${count}/Root ${root} 0 R>>\nstartxref\n${length}\n%%EOF\n`,
      ),
    );
    return together(parts);
  }
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

const hex = (value: number): string => value.toString(16).padStart(4, "0");
const number = (value: number): string => String(Math.round(value * 1000) / 1000);

/** `#rrggbb` or `rgb(r, g, b)` as three numbers from 0 to 1. */
function color(text: string): string {
  const digits = /^#([0-9a-f]{6})$/i.exec(text)?.[1];
  const parts = digits
    ? [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16))
    : (text.match(/[\d.]+/g) ?? ["0", "0", "0"]).slice(0, 3).map(Number);
  return parts.map((part) => number(part / 255)).join(" ");
}
