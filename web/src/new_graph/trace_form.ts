/** The form for a new graph: its fields and their defaults, problems with them, and the request that they make. */

import { TRACE_OPTIONS } from "../api/options.ts";
import type { TraceRequest } from "../api/types.ts";
import { readStoredJson, writeStored } from "../app/browser_storage.ts";
import { count } from "../format/numbers.ts";

export const NUMBER_FIELDS = [
  "max_nodes",
  "node_threshold",
  "edge_threshold",
  "max_targets",
  "target_probability",
] as const;
export type NumberField = (typeof NUMBER_FIELDS)[number];

/** Fields by the names of the request; an empty number field holds null. */
export interface TraceForm extends Record<NumberField, number | null> {
  prompt: string;
  /** True where the messages of a chat are asked, and not `prompt`. */
  isChat: boolean;
  /** The system prompt of a chat; empty for none. */
  system: string;
  /** The user's and the assistant's messages in turn. */
  turns: string[];
  /** Empty until the list of models is loaded. */
  model: string;
  dictionary: string;
  /** Empty for the likeliest tokens. */
  targets: string[];
  selection: TraceRequest["selection"];
  sink: string;
  name: string;
}

export const EMPTY_FORM: TraceForm = {
  prompt: "",
  isChat: false,
  system: "",
  turns: [""],
  model: "",
  dictionary: TRACE_OPTIONS.dictionary.default,
  targets: [],
  max_nodes: TRACE_OPTIONS.max_nodes.default,
  node_threshold: TRACE_OPTIONS.node_threshold.default,
  edge_threshold: TRACE_OPTIONS.edge_threshold.default,
  max_targets: TRACE_OPTIONS.max_targets.default,
  target_probability: TRACE_OPTIONS.target_probability.default,
  selection: TRACE_OPTIONS.selection.default,
  sink: "",
  name: "",
};

const KEY = "clew-new-graph";

/** The form as it was left in this tab. */
export function storedForm(): TraceForm {
  const stored = (readStoredJson(KEY, "sessionStorage") ?? {}) as Partial<TraceForm>;
  const fields = Object.entries(EMPTY_FORM).map(([field, empty]) => [
    field,
    stored[field as keyof TraceForm] ?? empty,
  ]);
  return Object.fromEntries(fields) as unknown as TraceForm;
}

export const storeForm = (form: TraceForm): void => writeStored(KEY, JSON.stringify(form), "sessionStorage");

/** A sentence for each field that cannot be sent. */
export type Problems = Partial<Record<keyof TraceForm, string>>;

export function problemsOf(form: TraceForm): Problems {
  const problems: Problems = {};
  if (form.isChat) {
    const empty = form.turns.findIndex((text) => !text.trim());
    if (empty >= 0) problems.turns = `Write the ${roleOfTurn(empty)}'s message first, or remove it.`;
    if (empty === 0) problems.turns = "Write a question first.";
  } else if (!form.prompt) problems.prompt = "Write a prompt first.";
  if (!form.model.trim()) problems.model = "Choose a model.";
  if (!form.dictionary.trim()) problems.dictionary = "Name a dictionary, or write auto.";
  for (const field of NUMBER_FIELDS) {
    const problem = numberProblem(field, form[field]);
    if (problem) problems[field] = problem;
  }
  return problems;
}

/** Options with a least value are whole numbers; those that begin above a value are shares. */
function numberProblem(field: NumberField, value: number | null): string | null {
  const { minimum, above, maximum } = TRACE_OPTIONS[field];
  if (minimum === null)
    return value !== null && value > above && value <= maximum
      ? null
      : `Give a number above ${above} and at most ${maximum}.`;
  return value !== null && Number.isInteger(value) && value >= minimum && value <= maximum
    ? null
    : `Give a whole number from ${minimum} to ${count(maximum)}.`;
}

export const roleOfTurn = (place: number): "user" | "assistant" => (place % 2 ? "assistant" : "user");

/** The text or the messages that a form asks; null where one is not written. */
export function askedOf({ isChat, prompt, system, turns }: TraceForm): TraceRequest["prompt"] | null {
  if (!isChat) return prompt || null;
  if (turns.some((text) => !text.trim())) return null;
  const front = system ? [{ role: "system", content: system }] : [];
  return [...front, ...turns.map((content, place) => ({ role: roleOfTurn(place), content }))];
}

/** The request for a job; only for a form without problems. */
export function requestOf(form: TraceForm): TraceRequest {
  const { isChat: _, system: __, turns: ___, ...fields } = form as TraceForm & Record<NumberField, number>;
  return {
    ...fields,
    prompt: askedOf(form) ?? "",
    kind: "trace",
    model: form.model.trim(),
    dictionary: form.dictionary.trim(),
    name: form.name.trim() || null,
    targets: form.targets.length ? form.targets : null,
    sink: form.sink || null,
    memory: TRACE_OPTIONS.memory.default,
  };
}

/** Number of the likeliest tokens that are explained where no targets are chosen. */
export function automaticTargets(probabilities: readonly number[], form: TraceForm): number {
  let together = 0;
  let nTargets = 0;
  while (nTargets < Math.min(probabilities.length, form.max_targets ?? 0)) {
    together += probabilities[nTargets++];
    if (together >= (form.target_probability ?? 1)) break;
  }
  return nTargets;
}
