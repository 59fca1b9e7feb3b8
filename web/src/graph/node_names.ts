/** How nodes are called: the same short names as on the command line. */

import { ERROR, FEATURE, promotedRow, TARGET, TOKEN, type Graph } from "./graph.ts";

/** What Python does not call printable: all that shows as nothing, or as a space that is none. */
const UNPRINTABLE = /(?! )[\p{C}\p{Z}]/gu;

/** A token in quotes, so that its spaces show; what cannot be seen is written as its escape. */
export function quote(text: string): string {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  return `"${escaped.replace(UNPRINTABLE, escapeCharacter)}"`;
}

/** As Python spells it: `\n`, `\xa0`, `\u200b`, `\U000e0001`. */
function escapeCharacter(character: string): string {
  const named: Record<string, string> = { "\n": "\\n", "\t": "\\t", "\r": "\\r" };
  const code = character.codePointAt(0)!;
  const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return named[character] ?? `\\${letter}${code.toString(16).padStart(Number(digits), "0")}`;
}

/** A token as it stands in running text: spaces and newlines visible, nothing in quotes. */
export function visible(text: string): string {
  return text
    .replaceAll("\n", "↵")
    .replaceAll("\t", "⇥")
    .replace(/^ +| +$/g, (spaces) => "·".repeat(spaces.length))
    .replace(UNPRINTABLE, escapeCharacter);
}

/** A token among others: its spaces as they are, line ends to be seen. */
export const inText = (text: string): string =>
  text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replace(UNPRINTABLE, escapeCharacter);

/** `L12/4031` of a feature, the key that its label goes by. */
export function featureName(graph: Graph, node: number): string {
  const feature = graph.feature[node];
  return feature >= 0 ? `L${graph.layer[node]}/${feature}` : `A${graph.layer[node]}/${-feature / 2 - 1}`;
}

export const targetOf = (graph: Graph, node: number) => graph.info.targets[node - graph.kind.indexOf(TARGET)];

/** `L12/4031@5`, `error L3@5`, `" France"@4`, `" Paris" (0.77)`. */
export function nodeName(graph: Graph, node: number): string {
  const position = graph.position[node];
  switch (graph.kind[node]) {
    case FEATURE:
      return `${featureName(graph, node)}@${position}`;
    case ERROR: {
      const what = { "-1": "error", "-3": "attention error" }[String(graph.feature[node])] ?? "bias";
      return `${what} L${graph.layer[node]}@${position}`;
    }
    case TOKEN:
      return `${quote(graph.info.tokens[position])}@${position}`;
    default: {
      const target = targetOf(graph, node);
      return `${quote(target.text)} (${target.weight.toFixed(2)})`;
    }
  }
}

/** Spellings of the tokens that a feature pushes up on this prompt (or down), strongest first. */
export function promoted(graph: Graph, node: number, count = 10, down = false): string[] {
  const row = graph.outputs?.rowOf.get(node);
  if (!graph.outputs || row === undefined) return [];
  const bottom = graph.activation[node] < 0 !== down;
  const [begin, end] = promotedRow(graph.outputs, row, bottom);
  const tokens = graph.outputs.token.subarray(begin, Math.min(end, begin + count));
  return Array.from(tokens, (token) => graph.info.token_text[token] ?? `<${token}>`);
}
