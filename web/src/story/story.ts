/** The story of a graph as the page draws it: its boxes with keys and nodes, and those that a person unfolded. */

import type { StoryAnswer, StoryBox } from "../api/types.ts";
import { nodesWithIds } from "../graph/graph.ts";
import type { OpenGraph } from "../open_graph/open_graph.svelte.ts";

export interface Told extends Omit<StoryBox, "members"> {
  /** `g:<group>` for a person's own, else `b:<id of its first node>`. */
  key: string;
  /** Its number in the story. */
  place: number;
  members: number[];
}

/** The boxes of a story, in its order; those without a node on this page are left out. */
export function toldBoxes(openGraph: OpenGraph, story: StoryAnswer): Told[] {
  const { graph, annotations } = openGraph;
  const taken = new Set<string>();
  // A token goes by its own text, without the quotes that it has in sentences.
  const nameOf = ({ kind, name, positions }: StoryBox) =>
    kind === "token" ? (graph.info.tokens[positions[0]] ?? name) : name;
  return story.boxes.flatMap((box, place) => {
    const members = nodesWithIds(graph, box.members);
    if (!members.length) return [];
    const own = box.own ? annotations.groups.find(({ name }) => name === box.name) : undefined;
    let key = own?.key ?? `b:${graph.ids[members[0]]}`;
    if (taken.has(key)) key = `b:${place}`;
    taken.add(key);
    return [{ ...box, name: nameOf(box), key, place, members, color: own?.color ?? box.color }];
  });
}

/** The box that holds a node; a step before what is folded. */
export const holderOf = (boxes: readonly Told[], node: number): Told | undefined =>
  boxes.find(({ folded, members }) => !folded && members.includes(node)) ??
  boxes.find(({ members }) => members.includes(node));
