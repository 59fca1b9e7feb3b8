/** The language of the search field: reads a text into terms that a node must meet. */

import { matchPattern, type FeaturePattern } from "./feature.ts";

export type Comparison = ":" | ">" | "<" | ">=" | "<=";

export type Term =
  /** Free words, in the label, the tokens or the name. */
  | { what: "words"; text: string }
  /** `L12`, `L12/4031`, `L12/4031@5`. */
  | ({ what: "name" } & FeaturePattern)
  | { what: "text"; key: TextKey; text: string; exact: boolean }
  | { what: "kind"; kind: KindName }
  | { what: "number"; key: NumberKey; least: number; most: number; open: boolean };

export type TextKey = "token" | "promotes" | "label";
export type NumberKey = "layer" | "position" | "feature" | "activation" | "influence";
export type KindName = "feature" | "error" | "token" | "output";

export interface Query {
  readonly terms: Term[];
  /** A sentence on the first word that was not understood. */
  readonly problem: string | null;
}

const KEYS: Record<string, Key> = {
  kind: "kind",
  type: "kind",
  token: "token",
  tok: "token",
  promotes: "promotes",
  says: "promotes",
  output: "promotes",
  label: "label",
  layer: "layer",
  l: "layer",
  pos: "position",
  position: "position",
  feature: "feature",
  index: "feature",
  act: "activation",
  activation: "activation",
  influence: "influence",
  inf: "influence",
};

const KINDS: Record<string, KindName> = {
  feature: "feature",
  features: "feature",
  error: "error",
  errors: "error",
  token: "token",
  tokens: "token",
  embedding: "token",
  output: "output",
  outputs: "output",
  target: "output",
  logit: "output",
};

const WORD = /(?:"(?:\\.|[^"\\])*"?|[^\s"])+/g;
const KEYED = /^([a-z]+)(:|>=|<=|=|>|<)(.*)$/is;
const RANGE = /^(-?[\d.]+%?)(?:-|\.\.)(-?[\d.]+%?)$/;

/**
 * Free words, `"words together"`, `L12/4031`, `layer:10-14`, `pos:5`, `feature:4031`, `kind:error`, `act>2.5`,
 * `influence>1%`, `token:" France"` (in quotes: exactly so), `promotes:capital`, `label:sports`.
 */
export function readQuery(text: string): Query {
  const terms: Term[] = [];
  let problem: string | null = null;
  for (const word of text.match(WORD) ?? []) {
    const term = readTerm(word);
    if (typeof term !== "string") terms.push(term);
    else problem ??= term;
  }
  return { terms, problem };
}

/** A term, or a sentence on why the word is not one. */
function readTerm(word: string): Term | string {
  const pattern = matchPattern(word);
  if (pattern) return { what: "name", ...pattern };
  const keyed = KEYED.exec(word);
  if (!keyed) return { what: "words", text: unquote(word).text };
  const [, spelled, sign, value] = keyed;
  const key = meaningOf(spelled.toLowerCase());
  if (key === null)
    return (
      `There is no search by "${spelled}". Use layer, pos, feature, kind, token, promotes, label, act or ` +
      "influence, or put the words in quotes to search for them."
    );
  if (value === "") return `Write a value after ${spelled}${sign}, for example ${EXAMPLES[key]}.`;
  const comparison = (sign === "=" ? ":" : sign) as Comparison;
  if (isNumberKey(key)) return numberTerm(key, comparison, value);
  if (comparison !== ":") return `${sign} does not work with texts; write ${spelled}: and the text.`;
  if (key === "kind") return kindTerm(value);
  const { text, quoted } = unquote(value);
  return { what: "text", key, text, exact: quoted };
}

type Key = TextKey | NumberKey | "kind";

const meaningOf = (spelled: string): Key | null => (Object.hasOwn(KEYS, spelled) ? KEYS[spelled] : null);

const isNumberKey = (key: Key): key is NumberKey =>
  key !== "kind" && key !== "token" && key !== "promotes" && key !== "label";

const EXAMPLES: Record<Key, string> = {
  token: 'token:" France"',
  promotes: "promotes:capital",
  label: "label:sports",
  kind: "kind:error",
  layer: "layer:12",
  position: "pos:5",
  feature: "feature:4031",
  activation: "act>2.5",
  influence: "influence>1%",
};

function kindTerm(value: string): Term | string {
  const kind = value.toLowerCase();
  if (Object.hasOwn(KINDS, kind)) return { what: "kind", kind: KINDS[kind] };
  return `There is no kind "${value}"; use feature, error, token or output.`;
}

function numberTerm(key: NumberKey, comparison: Comparison, value: string): Term | string {
  const range = comparison === ":" ? RANGE.exec(value) : null;
  const [least, most] = (range ? [range[1], range[2]] : [value, value]).map(readNumber);
  if (Number.isNaN(least) || Number.isNaN(most))
    return `${value} is not a number; write for example ${EXAMPLES[key]}.`;
  const term = { what: "number", key, least, most, open: false } as const;
  switch (comparison) {
    case ":":
      return term;
    case ">":
    case ">=":
      return { ...term, most: Infinity, open: comparison === ">" };
    default:
      return { ...term, least: -Infinity, open: comparison === "<" };
  }
}

function readNumber(text: string): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?%?$/i.test(text)) return NaN;
  return text.endsWith("%") ? Number(text.slice(0, -1)) / 100 : Number(text);
}

function unquote(text: string): { text: string; quoted: boolean } {
  if (!text.startsWith('"')) return { text: text.replaceAll('"', ""), quoted: false };
  const inner = text.slice(1).replace(/(?<!\\)"$/, "");
  const named: Record<string, string> = { n: "\n", t: "\t", r: "\r" };
  return { text: inner.replace(/\\(.)/g, (_, letter: string) => named[letter] ?? letter), quoted: true };
}
