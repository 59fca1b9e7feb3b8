/** Shows the effects of a trial on the page: in the answer line, on the boxes, and on the nodes of the graph. */

import type { OpenGraph } from "../open_graph/open_graph.svelte.ts";
import { describeIntervention } from "./intervention_text.ts";
import type { Interventions } from "./interventions.svelte.ts";

/** Keep the view in step with the trial on show; to be called while a component is set up. */
export function showEffects(openGraph: OpenGraph, interventions: Interventions): void {
  const { graph, view } = openGraph;
  $effect(() => {
    const { measured } = interventions;
    const targets = (measured?.targets ?? []).flatMap(({ text, token_id, after }) =>
      after === null ? [] : [{ text, token_id, probability: after }],
    );
    view.answersAfter = measured ? [...measured.after, ...targets] : null;
    view.glow = measured && glowOf(openGraph, measured.changed);
    return () => {
      view.answersAfter = null;
      view.glow = null;
    };
  });
  $effect(() => {
    const { outcome, place } = interventions;
    const { nodes, before, after } = outcome?.values ?? { nodes: [], before: [], after: [] };
    const pairs = nodes.flatMap((id, row): [number, [number, number]][] => {
      const node = graph.indexOf.get(id);
      return node === undefined ? [] : [[node, [before[row], after[place]?.[row] ?? before[row]]]];
    });
    view.values = outcome?.values ? new Map(pairs) : null;
    return () => {
      view.values = null;
    };
  });
  $effect(() => {
    const { shown, measured } = interventions;
    view.test =
      shown && measured
        ? {
            strength: measured.strength,
            title: describeIntervention(openGraph, shown),
            leave: () => interventions.show(null),
          }
        : null;
    return () => {
      view.test = null;
    };
  });
}

/** Changes of nodes, with 1 for the largest. */
function glowOf(
  { graph }: OpenGraph,
  changed: readonly { node: string | null; before: number; after: number }[],
): Map<number, number> {
  const most = Math.max(...changed.map(({ before, after }) => Math.abs(after - before)), 1e-30);
  const nodes = changed.flatMap(({ node, before, after }): [number, number][] => {
    const place = node === null ? undefined : graph.indexOf.get(node);
    return place === undefined ? [] : [[place, (after - before) / most]];
  });
  return new Map(nodes);
}
