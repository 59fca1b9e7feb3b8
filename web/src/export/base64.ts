/** Base64, also where there is no browser. */

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export function fromBase64(text: string): Uint8Array {
  const clean = text.replace(/=+$/, "");
  const bytes = new Uint8Array(Math.floor((clean.length * 3) / 4));
  let [bits, held, at] = [0, 0, 0];
  for (let place = 0; place < clean.length; place++) {
    held = ((held << 6) | LETTERS.indexOf(clean[place])) & 0xffffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (held >> bits) & 255;
  }
  return bytes;
}

export function toBase64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 3) {
    const [one, two = 0, three = 0] = [bytes[at], bytes[at + 1], bytes[at + 2]];
    const left = bytes.length - at;
    parts.push(
      LETTERS[one >> 2] +
        LETTERS[((one & 3) << 4) | (two >> 4)] +
        (left > 1 ? LETTERS[((two & 15) << 2) | (three >> 6)] : "=") +
        (left > 2 ? LETTERS[three & 63] : "="),
    );
  }
  return parts.join("");
}
