/** What a person asks to be traced; it survives going away and coming back. */

import { TRACE_OPTIONS } from "../api/options.ts";
import type { TraceRequest } from "../api/types.ts";

/** As the fields hold it: a number field that is empty holds null. */
export interface Asked {
  prompt: string;
  /** Empty until the models are known. */
  model: string;
  dictionary: string;
  /** Empty for the likeliest. */
  targets: string[];
  maxTargets: number | null;
  targetProbability: number | null;
  maxNodes: number | null;
  selection: "attribution" | "influence";
  sink: string;
  nodeThreshold: number | null;
  edgeThreshold: number | null;
  name: string;
}

export const PLAIN: Asked = {
  prompt: "",
  model: "",
  dictionary: "neurons",
  targets: [],
  maxTargets: 10,
  targetProbability: 0.95,
  maxNodes: 4096,
  selection: "attribution",
  sink: "",
  nodeThreshold: 0.8,
  edgeThreshold: 0.98,
  name: "",
};

const KEY = "clew-new-graph";

export function keptForm(): Asked {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Partial<Asked>;
    return { ...PLAIN, ...kept };
  } catch {
    return { ...PLAIN };
  }
}

export function keepForm(asked: Asked): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(asked));
  } catch {
    // A browser without a store: the form holds as long as the page.
  }
}

export type Problems = Partial<Record<keyof Asked, string>>;

/** What is wrong with the form, field by field, in sentences. */
export function problemsOf(asked: Asked): Problems {
  const found: Problems = {};
  const whole = (field: "maxTargets" | "maxNodes", most: number) => {
    const value = asked[field];
    if (value === null || !Number.isInteger(value) || value < 1 || value > most)
      found[field] = `Give a whole number from 1 to ${most.toLocaleString("en-GB")}.`;
  };
  const share = (field: "targetProbability" | "nodeThreshold" | "edgeThreshold") => {
    const value = asked[field];
    if (value === null || !(value > 0 && value <= 1)) found[field] = "Give a number above 0 and at most 1.";
  };
  if (!asked.prompt) found.prompt = "Write a prompt first.";
  if (!asked.model.trim()) found.model = "Choose a model.";
  if (!asked.dictionary.trim()) found.dictionary = "Name a dictionary, or write neurons.";
  whole("maxTargets", 1000);
  whole("maxNodes", 100_000);
  share("targetProbability");
  share("nodeThreshold");
  share("edgeThreshold");
  return found;
}

/** The job that does it; only for a form without problems. */
export function requestOf(asked: Asked): TraceRequest {
  return {
    kind: "trace",
    model: asked.model.trim(),
    dictionary: asked.dictionary.trim(),
    prompt: asked.prompt,
    name: asked.name.trim() || null,
    targets: asked.targets.length ? asked.targets : null,
    max_targets: asked.maxTargets!,
    target_probability: asked.targetProbability!,
    max_nodes: asked.maxNodes!,
    selection: asked.selection,
    sink: asked.sink || null,
    node_threshold: asked.nodeThreshold!,
    edge_threshold: asked.edgeThreshold!,
    memory: TRACE_OPTIONS.memory.default,
  };
}

/** How many of the likeliest tokens are explained where nobody chose any. */
export function automaticTargets(probabilities: readonly number[], asked: Asked): number {
  let together = 0;
  let count = 0;
  while (count < Math.min(probabilities.length, asked.maxTargets ?? 0)) {
    together += probabilities[count++];
    if (together >= (asked.targetProbability ?? 1)) break;
  }
  return count;
}
