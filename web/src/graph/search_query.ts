/** The small language of the search field: from what a person types to terms that a node must meet. */

export type Comparison = ":" | ">" | "<" | ">=" | "<=";

export type Term =
  /** Free words: in the label, the token or the name. */
  | { what: "words"; text: string }
  /** `L12`, `L12/4031`, `L12/4031@5`. */
  | { what: "name"; letter: "L" | "A"; layer: number; index: number | null; position: number | null }
  | { what: "text"; key: TextKey; text: string; exact: boolean }
  | { what: "kind"; kind: KindName }
  | { what: "number"; key: NumberKey; least: number; most: number; open: boolean };

export type TextKey = "token" | "says" | "label";
export type NumberKey = "layer" | "position" | "feature" | "activation" | "influence";
export type KindName = "feature" | "error" | "token" | "output";

export interface Query {
  readonly terms: Term[];
  /** A sentence on the first thing that was not understood. */
  readonly problem: string | null;
}

const KEYS: Record<string, Key> = {
  kind: "kind",
  type: "kind",
  token: "token",
  tok: "token",
  says: "says",
  output: "says",
  promotes: "says",
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
const NAME = /^(?:(L)(?=\d+(?:[/@]|$))|(A)(?=\d+\/))(\d+)(?:\/(\d+))?(?:@(\d+))?$/i;
const RANGE = /^(-?[\d.]+%?)(?:-|\.\.)(-?[\d.]+%?)$/;

/**
 * Free words, `"words together"`, `L12/4031`, `layer:10-14`, `pos:5`, `feature:4031`, `kind:error`, `act>2.5`,
 * `influence>1%`, `token:" France"` (in quotes: exactly so), `says:capital`, `label:sports`.
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

/** A term, or a sentence on why the word is none. */
function readTerm(word: string): Term | string {
  const name = NAME.exec(word);
  if (name) return nameTerm(name);
  const keyed = KEYED.exec(word);
  if (!keyed) return { what: "words", text: unquote(word).text };
  const [, spelled, sign, value] = keyed;
  const key = meaningOf(spelled.toLowerCase());
  if (key === null)
    return (
      `Nodes cannot be searched by "${spelled}"; there are layer, pos, feature, kind, token, says, label, ` +
      "act and influence. To search for the words themselves, put them in quotes."
    );
  if (value === "") return `After ${spelled}${sign} something should follow, such as ${EXAMPLES[key]}.`;
  const comparison = (sign === "=" ? ":" : sign) as Comparison;
  if (isNumberKey(key)) return numberTerm(key, comparison, value);
  if (comparison !== ":") return `Texts cannot be compared with ${sign}; write ${spelled}: and the text.`;
  if (key === "kind") return kindTerm(value);
  const { text, quoted } = unquote(value);
  return { what: "text", key, text, exact: quoted };
}

type Key = TextKey | NumberKey | "kind";

const meaningOf = (spelled: string): Key | null => (Object.hasOwn(KEYS, spelled) ? KEYS[spelled] : null);

const isNumberKey = (key: Key): key is NumberKey =>
  key !== "kind" && key !== "token" && key !== "says" && key !== "label";

const EXAMPLES: Record<Key, string> = {
  token: 'token:" France"',
  says: "says:capital",
  label: "label:sports",
  kind: "kind:error",
  layer: "layer:12",
  position: "pos:5",
  feature: "feature:4031",
  activation: "act>2.5",
  influence: "influence>1%",
};

function nameTerm([, , attention, layer, index, position]: RegExpExecArray): Term {
  const number = (digits: string | undefined) => (digits === undefined ? null : Number(digits));
  return {
    what: "name",
    letter: attention ? "A" : "L",
    layer: Number(layer),
    index: number(index),
    position: number(position),
  };
}

function kindTerm(value: string): Term | string {
  const kind = value.toLowerCase();
  if (Object.hasOwn(KINDS, kind)) return { what: "kind", kind: KINDS[kind] };
  return `There are no nodes of kind "${value}"; there are feature, error, token and output.`;
}

function numberTerm(key: NumberKey, comparison: Comparison, value: string): Term | string {
  const range = comparison === ":" ? RANGE.exec(value) : null;
  const [least, most] = (range ? [range[1], range[2]] : [value, value]).map(readNumber);
  if (Number.isNaN(least) || Number.isNaN(most))
    return `${value} is not a number that ${key} could be compared with; write for example ${EXAMPLES[key]}.`;
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
