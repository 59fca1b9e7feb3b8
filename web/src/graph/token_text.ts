/** Tokens as a page can show them: in quotes, with visible spaces, or in running text. */

/** Characters that Python does not call printable: they show as nothing, or look like a space. */
const UNPRINTABLE = /(?! )[\p{C}\p{Z}]/gu;

/** Characters that steer: C0 and C1 controls, and marks that turn a text around. */
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** A text for a file, with escapes in place of characters that steer. */
export const withoutSteering = (text: string): string => text.replace(STEERING, escapeCharacter);

/** A token in quotes, so that its spaces show; unprintable characters are written as escapes. */
export function quote(text: string): string {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  return `"${escaped.replace(UNPRINTABLE, escapeCharacter)}"`;
}

/** An escape as Python spells it: `\n`, `\xa0`, `\u200b`, `\U000e0001`. */
function escapeCharacter(character: string): string {
  const named: Record<string, string> = { "\n": "\\n", "\t": "\\t", "\r": "\\r" };
  const code = character.codePointAt(0)!;
  const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return named[character] ?? `\\${letter}${code.toString(16).padStart(Number(digits), "0")}`;
}

/** A token that stands alone, without quotes: outer spaces as dots, line ends and tabs as arrows. */
export const visible = (text: string): string =>
  inText(text.replace(/^ +| +$/g, (spaces) => "·".repeat(spaces.length)));

/** A token among others: spaces as they are, line ends and tabs as arrows. */
export const inText = (text: string): string =>
  text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replace(UNPRINTABLE, escapeCharacter);
