/** What a bare JavaScript engine lacks of a browser and the drawing asks for; to be imported first. */

const missing = globalThis as unknown as Record<string, unknown>;

/** UTF-8 only; the first byte order mark goes. */
class Utf8Decoder {
  decode(bytes: ArrayBuffer | ArrayBufferView): string {
    const view = ArrayBuffer.isView(bytes)
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : new Uint8Array(bytes);
    const parts: string[] = [];
    for (let at = 0; at < view.length;) {
      const first = view[at++];
      const more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
      let code = more ? first & (0x3f >> more) : first;
      for (let step = 0; step < more; step++) code = (code << 6) | (view[at++] & 0x3f);
      parts.push(String.fromCodePoint(code));
    }
    return parts.join("").replace(/^\ufeff/, "");
  }
}

missing.TextDecoder ??= Utf8Decoder;
missing.queueMicrotask ??= (run: () => void) => void Promise.resolve().then(run);

export {};
