/** The list of the library: which graphs match a search, in which order, and which rows are in sight. */

import type { GraphEntry } from "../api/types.ts";

export type Order = "newest" | "name" | "prompt" | "model" | "nodes";

const words = new WeakMap<GraphEntry, string>();

function wordsOf(entry: GraphEntry): string {
  let text = words.get(entry);
  if (text === undefined) {
    const { prompt, name, model, dictionary, answer } = entry;
    text = [prompt, name, model, dictionary, answer?.text ?? ""].join("\n").toLowerCase();
    words.set(entry, text);
  }
  return text;
}

/** Graphs that hold every word of the query, in prompt, name, model, dictionary or answer. */
export function search(entries: readonly GraphEntry[], query: string): GraphEntry[] {
  const wanted = query.toLowerCase().split(/\s+/).filter(Boolean);
  return entries.filter((entry) => wanted.every((word) => wordsOf(entry).includes(word)));
}

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const newest = (one: GraphEntry, other: GraphEntry) =>
  other.created < one.created ? -1 : other.created > one.created ? 1 : 0;

const COMPARE: Record<Order, (one: GraphEntry, other: GraphEntry) => number> = {
  newest,
  name: (one, other) => collator.compare(one.name, other.name),
  prompt: (one, other) => collator.compare(one.prompt, other.prompt),
  model: (one, other) =>
    collator.compare(one.model, other.model) || collator.compare(one.dictionary, other.dictionary),
  nodes: (one, other) => other.nodes - one.nodes,
};

/** Graphs in order; among equal ones the newest comes first. */
export function sorted(entries: readonly GraphEntry[], order: Order): GraphEntry[] {
  return entries.toSorted((one, other) => COMPARE[order](one, other) || newest(one, other));
}

/** The name that a person gave a graph; null where it is only the beginning of the prompt. */
export function ownName({ name, prompt }: GraphEntry): string | null {
  const line = prompt.split(/\s+/).join(" ").trim();
  const same = name === line || (name.endsWith("…") && line.startsWith(name.slice(0, -1)));
  return same ? null : name;
}

/** Rows that are drawn above and below those in sight, so that scrolling shows no gap. */
const ROWS_BESIDE = 8;

/** First and last row in sight of a long list, with a few more above and below. */
export function rowsInSight(top: number, height: number, rowHeight: number, count: number): [number, number] {
  const seen = Math.ceil((height || 800) / rowHeight);
  const first = Math.min(Math.floor(top / rowHeight), Math.max(0, count - seen));
  return [Math.max(0, first - ROWS_BESIDE), Math.min(count, first + seen + ROWS_BESIDE)];
}
