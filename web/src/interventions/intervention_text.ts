/** Interventions and their outcomes in a line of text. */

import type { InterveneRequest, Job } from "../api/types.ts";
import { probability } from "../format/numbers.ts";
import { visible } from "../graph/token_text.ts";
import type { OpenGraph } from "../open_graph/open_graph.svelte.ts";
import { resultOf } from "./interventions.svelte.ts";

/** `ablate say a capital on ·Texas and 3 more (direct), 5 strengths`. */
export function describeIntervention({ graph, labels }: OpenGraph, job: Job): string {
  const { changes, regime, strengths } = job.request as InterveneRequest;
  const texts = changes.map(({ nodes, how, value, source }) => {
    const first = graph.indexOf.get(nodes[0]);
    const place = first === undefined ? "" : ` on ${visible(graph.info.tokens[graph.position[first]])}`;
    const title = first === undefined ? nodes[0] : labels.titleOf(first);
    const more = nodes.length > 1 ? ` and ${nodes.length - 1} more` : "";
    const amount = value === null ? "" : ` ${how === "scale" ? "×" : ""}${value}`;
    return `${how}${amount} ${title}${place}${more}${source ? ` from “${source.prompt}”` : ""}`;
  });
  const sweep = strengths.length > 1 ? `, ${strengths.length} strengths` : "";
  return `${texts.join("; ")}${regime === "free" ? "" : ` (${regime})`}${sweep}`;
}

/** The probability of the first target before and after, and the new likeliest token: `Paris 0.77 → 0.12, now Rome`. */
export function describeOutcome(job: Job): string {
  const last = resultOf(job)?.results.at(-1);
  const target = last?.targets[0];
  if (!last || !target || target.before === null || target.after === null) return "";
  const change = `${visible(target.text)} ${probability(target.before)} → ${probability(target.after)}`;
  return last.after[0].token_id === target.token_id
    ? change
    : `${change}, now ${visible(last.after[0].text)}`;
}
