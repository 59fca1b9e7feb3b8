/** Groups and single nodes as boxes: their titles, details and members. */

import type { SummaryGroup } from "../api/types.ts";
import { percent, plural, probability } from "../format/numbers.ts";
import {
  ERROR,
  FEATURE,
  nodesOfKind,
  nodesWithIds,
  sortedByInfluence,
  TARGET,
  targetOf,
  targetsByWeight,
  TOKEN,
  type Graph,
} from "../graph/graph.ts";
import { visible } from "../graph/token_text.ts";
import type { NamedGroup } from "../open_graph/annotation_document.ts";
import type { OpenGraph } from "../open_graph/open_graph.svelte.ts";

export type BoxKind = "feature" | "error" | "token" | "target";

export interface Box {
  /** `g:<group>`, `s:<place in the summary>` or `n:<node id>`. */
  key: string;
  title: string;
  detail: string;
  kind: BoxKind;
  color: string | null;
  members: number[];
  share: number;
  /** A group can be opened into its nodes. */
  isGroup: boolean;
  /** The share of the box's value that a test leaves; 1 is all of it. */
  left?: number | null;
}

/** Names of the kinds, by their numbers in a graph. */
const KINDS: BoxKind[] = ["feature", "error", "token", "target"];
/** Outputs and tokens that the chosen view shows beside what a person chose. */
const MOST_OUTPUTS = 3;
const MOST_TOKENS = 14;
/** Nodes that an opened group shows one by one; the others stay together in one box. */
const OPENED_NODES = 24;

/** The server's summary as boxes. */
export const summaryBoxes = (openGraph: OpenGraph): Box[] =>
  (openGraph.serverGroups.summary?.groups ?? [])
    .map((group, place) => summaryBox(openGraph, group, place))
    .filter((box) => box.members.length);

/** Groups and pinned nodes as boxes, with the strongest tokens of the prompt and the outputs of largest weight. */
export function chosenBoxes(openGraph: OpenGraph): Box[] {
  const { graph } = openGraph;
  const { groups, groupOf, pins } = openGraph.annotations;
  const isFree = (node: number) => !groupOf.has(node) && !pins.has(node);
  const single = [...pins].filter((node) => !groupOf.has(node));
  const outputs = targetsByWeight(graph).filter(isFree).slice(0, MOST_OUTPUTS);
  const tokens = sortedByInfluence(graph, nodesOfKind(graph, TOKEN).filter(isFree)).slice(0, MOST_TOKENS);
  return [
    ...groups.filter(({ members }) => members.length).map((group) => groupBox(openGraph, group)),
    ...[...single, ...outputs, ...tokens].map((node) => nodeBox(openGraph, node)),
  ];
}

function nodeBox(openGraph: OpenGraph, node: number): Box {
  const { graph } = openGraph;
  const kind = KINDS[graph.kind[node]];
  const share = openGraph.shareOf(node);
  const influence = `influence ${percent(openGraph.influenceOf(node))}`;
  const hint = openGraph.labels.labelOf(node) ? "" : openGraph.labels.hintOf(node);
  const target = kind === "target" ? targetOf(graph, node) : null;
  const title =
    kind === "token"
      ? visible(graph.info.tokens[graph.position[node]])
      : target
        ? visible(target.text)
        : hint;
  return {
    key: `n:${graph.ids[node]}`,
    title: title || openGraph.labels.titleOf(node),
    detail: target
      ? probability(target.probability ?? target.weight)
      : kind === "token"
        ? percent(openGraph.influenceOf(node))
        : `${hint ? openGraph.labels.titleOf(node) : `layer ${graph.layer[node]}`} · ${influence}`,
    kind,
    color: openGraph.annotations.groupOf.get(node)?.color ?? null,
    members: [node],
    share,
    isGroup: false,
  };
}

function groupBox(openGraph: OpenGraph, group: NamedGroup): Box {
  const share = openGraph.shareOf(...group.members);
  return {
    key: group.key,
    title: group.name,
    detail: `${plural(group.members.length, "node")} · ${percent(share)}`,
    kind: kindOf(openGraph.graph, group.members),
    color: group.color,
    members: group.members,
    share,
    isGroup: true,
  };
}

function summaryBox(openGraph: OpenGraph, group: SummaryGroup, place: number): Box {
  const members = nodesWithIds(openGraph.graph, group.members);
  const own = group.own ? openGraph.annotations.groups.find(({ name }) => name === group.name) : undefined;
  const layers =
    group.layers[0] === group.layers[1] ? `layer ${group.layers[0]}` : `layers ${group.layers.join("–")}`;
  const size = members.length === 1 ? "" : `${members.length} nodes`;
  const details = {
    feature: [layers, size, percent(group.share)],
    error: [size, percent(group.share)],
    token: [size, percent(group.share)],
    target: [size, probability(group.weight)],
  }[group.kind];
  return {
    key: own?.key ?? `s:${place}`,
    title: group.name,
    detail: details.filter(Boolean).join(" · "),
    kind: group.kind,
    color: own?.color ?? group.color,
    members,
    share: group.share,
    isGroup: members.length > 1,
  };
}

/** An opened group's strongest nodes, each in a box, and one for those left. */
export function openBox(openGraph: OpenGraph, box: Box): Box[] {
  const nodes = sortedByInfluence(openGraph.graph, box.members);
  const single = nodes.slice(0, OPENED_NODES).map((node) => ({
    ...nodeBox(openGraph, node),
    color: box.color ?? openGraph.annotations.groupOf.get(node)?.color ?? null,
  }));
  const rest = nodes.slice(OPENED_NODES);
  if (!rest.length) return single;
  const share = openGraph.shareOf(...rest);
  const others: Box = {
    ...box,
    key: `${box.key}+`,
    title: `${rest.length} more of: ${box.title}`,
    detail: percent(share),
    members: rest,
    share,
    isGroup: false,
  };
  return [...single, others];
}

function kindOf(graph: Graph, members: readonly number[]): BoxKind {
  for (const kind of [FEATURE, TARGET, TOKEN, ERROR])
    if (members.some((node) => graph.kind[node] === kind)) return KINDS[kind];
  return "feature";
}
