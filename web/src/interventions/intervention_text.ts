/** Interventions and their outcomes in a line of text. */

import type { InterveneRequest, Job, SwapOutcome, SwapRequest } from "../api/types.ts";
import { probability } from "../format/numbers.ts";
import { FEATURE } from "../graph/graph.ts";
import { quote, visible } from "../graph/token_text.ts";
import type { OpenGraph } from "../open_graph/open_graph.svelte.ts";
import { firstPlace, resultOf } from "./interventions.svelte.ts";

/** `ablate “France” on ·Texas (direct), 5 strengths`, `swap “ France” for “ Germany”`. */
export function describeIntervention(openGraph: OpenGraph, job: Job): string {
  if (job.request.kind === "swap") return describeSwap(job.request, resultOf(job)?.swap ?? null);
  const { changes, regime, strengths } = job.request as InterveneRequest;
  const texts = changes.map(({ nodes, how, value, source }) => {
    const amount = value === null ? "" : ` ${how === "scale" ? "×" : ""}${value}`;
    return `${how}${amount} ${nameOf(openGraph, nodes)}${source ? ` from “${source.prompt}”` : ""}`;
  });
  const sweep = strengths.length > 1 ? `, ${strengths.length} strengths` : "";
  return `${texts.join("; ")}${regime === "free" ? "" : ` (${regime})`}${sweep}`;
}

function describeSwap({ name, word }: SwapRequest, swap: SwapOutcome | null): string {
  const group = name || (swap ? quote(swap.group) : "the strongest word");
  const other = swap?.words[0].word ?? word;
  return `swap ${group} for ${other ? quote(other) : "a word of its kind"}`;
}

/** The name of the group that these nodes are, or the first of them and the number of the others. */
export function nameOf(
  { annotations, graph, labels, serverGroups }: OpenGraph,
  ids: readonly string[],
): string {
  const [first, more] = [graph.indexOf.get(ids[0]), ids.length > 1 ? ` and ${ids.length - 1} more` : ""];
  const asked = new Set(ids);
  const isFeature = (id: string) => {
    const node = graph.indexOf.get(id);
    return node !== undefined && graph.kind[node] === FEATURE;
  };
  const isAsked = (members: readonly string[]) => {
    const features = members.filter(isFeature);
    return features.length === asked.size && features.every((id) => asked.has(id));
  };
  const group =
    annotations.groups.find(({ members }) => isAsked(members.map((node) => graph.ids[node]))) ??
    (ids.length > 1 ? serverGroups.summary?.groups.find(({ members }) => isAsked(members)) : undefined);
  if (group) return `“${group.name}”`;
  if (first === undefined) return `${ids[0]}${more}`;
  return `${labels.titleOf(first)} on ${visible(graph.info.tokens[graph.position[first]])}${more}`;
}

/** The probability of the first target before and after, and the new likeliest token: `Paris 0.77 → 0.12, now Rome`. */
export function describeOutcome(job: Job): string {
  const outcome = resultOf(job);
  const last = outcome?.results[firstPlace(outcome)];
  const target = last?.targets[0];
  if (!last || !target || target.before === null || target.after === null) return "";
  const change = `${visible(target.text)} ${probability(target.before)} → ${probability(target.after)}`;
  return last.after[0].token_id === target.token_id
    ? change
    : `${change}, now ${visible(last.after[0].text)}`;
}
