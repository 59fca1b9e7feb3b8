/** TrueType fonts as far as figures need them: glyphs of characters, their widths, and a file of the used ones alone. */

import { together } from "./bytes.ts";

export interface TrueType {
  unitsPerEm: number;
  ascent: number;
  descent: number;
  box: [number, number, number, number];
  /** 0 for a character that the font lacks. */
  glyphOf: (character: string) => number;
  /** Width in thousandths of the font's size. */
  widthOf: (glyph: number) => number;
  /** The font with empty outlines for all other glyphs; their numbers stay. */
  subset: (glyphs: ReadonlySet<number>) => Uint8Array;
}

export function readTrueType(bytes: Uint8Array): TrueType {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tables = new Map<string, { begin: number; length: number }>();
  for (let place = 0; place < view.getUint16(4); place++) {
    const at = 12 + 16 * place;
    const tag = String.fromCharCode(...bytes.subarray(at, at + 4));
    tables.set(tag, { begin: view.getUint32(at + 8), length: view.getUint32(at + 12) });
  }
  const begin = (tag: string) => tables.get(tag)!.begin;
  const head = begin("head");
  const unitsPerEm = view.getUint16(head + 18);
  const isLong = view.getInt16(head + 50) === 1;
  const nGlyphs = view.getUint16(begin("maxp") + 4);
  const nMetrics = view.getUint16(begin("hhea") + 34);
  const per = (value: number) => (1000 * value) / unitsPerEm;
  const characters = readCharacters(view, begin("cmap"));
  const offsetOf = (glyph: number) =>
    isLong ? view.getUint32(begin("loca") + 4 * glyph) : 2 * view.getUint16(begin("loca") + 2 * glyph);

  function withParts(glyphs: ReadonlySet<number>): Set<number> {
    const all = new Set([0, ...glyphs]);
    for (const glyph of all) {
      const at = begin("glyf") + offsetOf(glyph);
      if (offsetOf(glyph + 1) === offsetOf(glyph) || view.getInt16(at) >= 0) continue;
      for (let part = at + 10, flags = 0x20; flags & 0x20;) {
        flags = view.getUint16(part);
        all.add(view.getUint16(part + 2));
        part += 4 + (flags & 1 ? 4 : 2) + (flags & 8 ? 2 : flags & 0x40 ? 4 : flags & 0x80 ? 8 : 0);
      }
    }
    return all;
  }

  function subset(glyphs: ReadonlySet<number>): Uint8Array {
    const kept = withParts(glyphs);
    const outlines: Uint8Array[] = [];
    const loca = new DataView(new ArrayBuffer(4 * (nGlyphs + 1)));
    let length = 0;
    for (let glyph = 0; glyph < nGlyphs; glyph++) {
      loca.setUint32(4 * glyph, length);
      if (!kept.has(glyph)) continue;
      const from = begin("glyf") + offsetOf(glyph);
      const outline = bytes.slice(from, begin("glyf") + offsetOf(glyph + 1));
      const padded = new Uint8Array((outline.length + 3) & ~3);
      padded.set(outline);
      outlines.push(padded);
      length += padded.length;
    }
    loca.setUint32(4 * nGlyphs, length);
    const newHead = bytes.slice(head, head + tables.get("head")!.length);
    new DataView(newHead.buffer).setInt16(50, 1);
    const changed: Record<string, Uint8Array> = {
      glyf: together(outlines),
      loca: new Uint8Array(loca.buffer),
      head: newHead,
    };
    return written(
      [...tables.keys()].map((tag) => {
        const { begin: from, length: size } = tables.get(tag)!;
        return [tag, changed[tag] ?? bytes.slice(from, from + size)];
      }),
    );
  }

  return {
    unitsPerEm,
    ascent: per(view.getInt16(begin("hhea") + 4)),
    descent: per(view.getInt16(begin("hhea") + 6)),
    box: [36, 38, 40, 42].map((at) => per(view.getInt16(head + at))) as TrueType["box"],
    glyphOf: (character) => characters(character.codePointAt(0)!),
    widthOf: (glyph) => per(view.getUint16(begin("hmtx") + 4 * Math.min(glyph, nMetrics - 1))),
    subset,
  };
}

/** Glyphs by character, from the table of format 4 or 12. */
function readCharacters(view: DataView, cmap: number): (code: number) => number {
  let [segments, groups] = [0, 0];
  for (let place = 0; place < view.getUint16(cmap + 2); place++) {
    const at = cmap + view.getUint32(cmap + 8 + 8 * place);
    if (view.getUint16(at) === 4) segments = at;
    if (view.getUint16(at) === 12) groups = at;
  }
  const inGroups = (code: number): number => {
    for (let place = 0; place < view.getUint32(groups + 12); place++) {
      const at = groups + 16 + 12 * place;
      if (code >= view.getUint32(at) && code <= view.getUint32(at + 4))
        return view.getUint32(at + 8) + code - view.getUint32(at);
    }
    return 0;
  };
  const inSegments = (code: number): number => {
    const twice = view.getUint16(segments + 6);
    for (let place = 0; place < twice; place += 2) {
      if (code > view.getUint16(segments + 14 + place)) continue;
      const start = view.getUint16(segments + 16 + twice + place);
      if (code < start) return 0;
      const delta = view.getUint16(segments + 16 + 2 * twice + place);
      const rangeAt = segments + 16 + 3 * twice + place;
      const range = view.getUint16(rangeAt);
      if (!range) return (code + delta) & 0xffff;
      const glyph = view.getUint16(rangeAt + range + 2 * (code - start));
      return glyph ? (glyph + delta) & 0xffff : 0;
    }
    return 0;
  };
  return groups ? inGroups : inSegments;
}

function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 4)
    sum =
      (sum +
        ((bytes[at] << 24) |
          ((bytes[at + 1] ?? 0) << 16) |
          ((bytes[at + 2] ?? 0) << 8) |
          (bytes[at + 3] ?? 0))) >>>
      0;
  return sum;
}

/** A font file of these tables, with their checksums. */
function written(tables: [string, Uint8Array][]): Uint8Array {
  const log = Math.floor(Math.log2(tables.length));
  const begin = 12 + 16 * tables.length;
  const size = tables.reduce((sum, [, table]) => sum + ((table.length + 3) & ~3), begin);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x00010000);
  [tables.length, 16 << log, log, 16 * tables.length - (16 << log)].forEach((value, place) =>
    view.setUint16(4 + 2 * place, value),
  );
  let at = begin;
  tables.forEach(([tag, table], place) => {
    const entry = 12 + 16 * place;
    for (let letter = 0; letter < 4; letter++) bytes[entry + letter] = tag.charCodeAt(letter);
    if (tag === "head") table.fill(0, 8, 12);
    view.setUint32(entry + 4, sumOf(table));
    view.setUint32(entry + 8, at);
    view.setUint32(entry + 12, table.length);
    bytes.set(table, at);
    at += (table.length + 3) & ~3;
  });
  const headAt = tables
    .slice(
      0,
      tables.findIndex(([tag]) => tag === "head"),
    )
    .reduce((sum, [, table]) => sum + ((table.length + 3) & ~3), begin);
  view.setUint32(headAt + 8, (0xb1b0afba - sumOf(bytes)) >>> 0);
  return bytes;
}
