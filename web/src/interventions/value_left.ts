/** The share of a box's value that an intervention leaves, as published figures print it. */

import { probability, signed } from "../format/numbers.ts";
import { TARGET, targetOf } from "../graph/graph.ts";
import type { OpenGraph } from "../open_graph/open_graph.svelte.ts";

/** Activations of nodes before and after an intervention. */
export type Values = ReadonlyMap<number, readonly [before: number, after: number]>;

/** The sum of the values after over that before, each by the sign that it had; null where there is none. */
export function shareLeft(values: Values, members: readonly number[]): number | null {
  let [sum, all] = [0, 0];
  for (const member of members) {
    const value = values.get(member);
    if (!value) continue;
    sum += Math.sign(value[0]) * value[1];
    all += Math.abs(value[0]);
  }
  return all > 0 ? sum / all : null;
}

/** The words at a box while a test is shown: `12 %` left of features, `→ 0.01` of an output; null for others. */
export function noteAfterTest({ graph, view }: OpenGraph, members: readonly number[]): string | null {
  if (!view.values) return null;
  const left = shareLeft(view.values, members);
  if (left !== null) return `${signed(Math.round(100 * left), 0, false)} %`;
  const target = members.length === 1 && graph.kind[members[0]] === TARGET && targetOf(graph, members[0]);
  const after = target && view.answersAfter?.find(({ token_id }) => token_id === target.token_id);
  return after ? `→ ${probability(after.probability)}` : null;
}
