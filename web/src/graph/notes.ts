/** Sentences that a reader of a graph must know, as `clew show` prints them. */

import { GRAPH_SENTENCES, LARGEST_GAP, MOST_CHANGE } from "../api/options.ts";
import type { GraphInfo } from "./graph.ts";
import { quote } from "./token_text.ts";

export interface Note {
  readonly text: string;
  readonly isWarning: boolean;
}

/** Notes on the prompt, its sink, the dictionary's quality, its answer and conservation. */
export const notesOf = (info: GraphInfo): Note[] => [
  ...prompt(info),
  ...sink(info),
  ...quality(info),
  ...replaced(info),
  ...conservation(info),
];

const prompt = ({ prompt_changes: changes }: GraphInfo): Note[] =>
  changes ? [note("changed", { changes })] : [];

/** A sink that changes the answer much. */
function sink({ sink }: GraphInfo): Note[] {
  if (typeof sink?.kl !== "number" || !(sink.kl > MOST_CHANGE)) return [];
  const numbers = { kl: threeDigits(sink.kl), most: String(MOST_CHANGE) };
  return [note("disturbed", { sink: quote(sink.text), ...numbers })];
}

/** The fit of the dictionary to the MLPs, which no score of the graph measures. */
function quality({ settings }: GraphInfo): Note[] {
  const fvu = (settings.quality as { fvu?: unknown } | null | undefined)?.fvu;
  if (typeof fvu !== "number") return [];
  return [note(fvu > 1 ? "worse_than_mean" : "unexplained", { fvu: threeDigits(fvu) })];
}

/** The answer that is left without error nodes, whose junk the scores count as explained. */
function replaced({ settings }: GraphInfo): Note[] {
  const found = settings.replaced as Record<string, unknown> | null | undefined;
  const [answer, other] = [found?.answer, found?.replaced_answer];
  const numbers = [found?.probability, found?.replaced_probability, found?.kl];
  if (typeof answer !== "string" || typeof other !== "string") return [];
  if (typeof found?.kept !== "boolean") return []; // by ids: two tokens may be spelled alike
  if (!numbers.every((number) => typeof number === "number")) return [];
  const [own, left, kl] = numbers.map(threeDigits);
  const told = typeof found.mlps === "string" ? found.mlps : "every MLP"; // not told by older graphs
  const mlps = told.slice(0, 1).toUpperCase() + told.slice(1);
  const named = { answer: `"${answer}"`, other: `"${other}"`, mlps };
  const sentence = found.kept ? "answer_kept" : "answer_lost";
  return [note(sentence, { ...named, own, replaced: left, kl })];
}

function conservation({ conservation: gap }: GraphInfo): Note[] {
  if (gap === null) return [];
  if (gap <= LARGEST_GAP) return [note("adds_up", { gap: exponential(gap) }), note("proves", {})];
  const percent = `${(100 * gap).toFixed(1)}%`;
  return [note("falls_short", { gap: exponential(gap), percent, most: exponential(LARGEST_GAP) })];
}

/** `1e-05`, as Python spells it. */
const exponential = (value: number): string => pythons(value.toExponential(0));

/** `0.21` or `1.23e+03`: three significant digits as Python spells them (`.3g`). */
function threeDigits(value: number): string {
  const [digits, exponent] = value.toExponential(2).split("e");
  return Number(exponent) < -4 || Number(exponent) > 2
    ? pythons(`${Number(digits)}e${exponent}`)
    : String(Number(value.toPrecision(3)));
}

/** At least two digits in the exponent. */
const pythons = (text: string): string => text.replace(/e([+-])(\d)$/, "e$10$2");

function note(sentence: keyof typeof GRAPH_SENTENCES, numbers: Record<string, string>): Note {
  const text = GRAPH_SENTENCES[sentence].replace(/\{(\w+)\}/g, (_, name: string) => numbers[name]);
  return { text, isWarning: text.startsWith("Warning") };
}
