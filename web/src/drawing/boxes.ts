/** Groups and single nodes as boxes: who is in them, where they stand, how lines run between them. */

import type { Session } from "../open_graph/open_graph.svelte.ts";
import type { NamedGroup } from "../open_graph/annotation_document.ts";
import { ERROR, FEATURE, TARGET, TOKEN, type Graph } from "../graph/graph.ts";
import { targetOf, visible } from "../graph/node_names.ts";
import type { SummaryGroup } from "../graph/summary.ts";
import { percent, probability } from "../format/numbers.ts";

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
}

export interface PlacedBox extends Box {
  /** Middle. */
  x: number;
  y: number;
  width: number;
  height: number;
  lines: string[];
}

const KINDS: BoxKind[] = ["feature", "error", "token", "target"];
const OPENED_NODES = 24;
/** An opened group shows so many of its nodes; the others stay together. */

export function nodeBox(session: Session, node: number): Box {
  const { graph } = session;
  const kind = KINDS[graph.kind[node]];
  const share = session.shareOf(node);
  const hint = session.labelOf(node) ? "" : session.hintOf(node);
  const target = kind === "target" ? targetOf(graph, node) : null;
  const title =
    kind === "token"
      ? visible(graph.info.tokens[graph.position[node]])
      : target
        ? visible(target.text)
        : hint;
  return {
    key: `n:${graph.ids[node]}`,
    title: title || session.titleOf(node),
    detail: target
      ? probability(target.probability ?? target.weight)
      : kind === "token"
        ? percent(share)
        : `${hint ? session.titleOf(node) : `layer ${graph.layer[node]}`} · ${percent(share)}`,
    kind,
    color: session.groupOf.get(node)?.color ?? null,
    members: [node],
    share,
    isGroup: false,
  };
}

export function groupBox(session: Session, group: NamedGroup): Box {
  const share = shareOf(session, group.members);
  return {
    key: `g:${group.id}`,
    title: group.name,
    detail: `${group.members.length} ${group.members.length === 1 ? "node" : "nodes"} · ${percent(share)}`,
    kind: kindOf(session.graph, group.members),
    color: group.color,
    members: group.members,
    share,
    isGroup: true,
  };
}

export function summaryBox(session: Session, group: SummaryGroup, place: number): Box {
  const members = nodesOf(session.graph, group.members);
  const own = group.own ? session.groups.find(({ name }) => name === group.name) : undefined;
  const layers =
    group.layers[0] === group.layers[1] ? `layer ${group.layers[0]}` : `layers ${group.layers.join("–")}`;
  const size = members.length === 1 ? "" : `${members.length} nodes`;
  const about = {
    feature: [layers, size, percent(group.share)],
    error: [size, percent(group.share)],
    token: [size, percent(group.share)],
    target: [size, probability(group.weight)],
  }[group.kind];
  return {
    key: own ? `g:${own.id}` : `s:${place}`,
    title: group.name,
    detail: about.filter(Boolean).join(" · "),
    kind: group.kind,
    color: own?.color ?? group.color,
    members,
    share: group.share,
    isGroup: members.length > 1,
  };
}

/** An opened group's strongest nodes, each in a box, and one for those left. */
export function openBox(session: Session, box: Box): Box[] {
  const { graph } = session;
  const nodes = [...box.members].sort((one, other) => graph.influence[other] - graph.influence[one]);
  const single = nodes.slice(0, OPENED_NODES).map((node) => ({
    ...nodeBox(session, node),
    color: box.color ?? session.groupOf.get(node)?.color ?? null,
  }));
  const rest = nodes.slice(OPENED_NODES);
  if (!rest.length) return single;
  const share = shareOf(session, rest);
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

export const nodesOf = (graph: Graph, ids: readonly string[]): number[] =>
  ids.map((id) => graph.indexOf.get(id)).filter((node) => node !== undefined);

export const shareOf = (session: Session, members: readonly number[]): number =>
  members.reduce((sum, node) => sum + session.shareOf(node), 0);

function kindOf(graph: Graph, members: readonly number[]): BoxKind {
  for (const kind of [FEATURE, TARGET, TOKEN, ERROR])
    if (members.some((node) => graph.kind[node] === kind)) return KINDS[kind];
  return "feature";
}

const CHARACTER = 6.7;
const LINE = 16;
const WIDEST = 190;

/** Breaks a title into at most three lines of about the widest box. */
export function wrap(text: string, room: number): string[] {
  // A token in quotes keeps the space that it begins with.
  const words = text.split(/(?<!["“]) /);
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    const longer = line ? `${line} ${word}` : word;
    if (longer.length * CHARACTER <= room || !line) line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  lines.push(line);
  const kept = lines.slice(0, 3);
  if (lines.length > 3) kept[2] += " …";
  return kept.map((each) =>
    each.length * CHARACTER > room + 12 ? `${each.slice(0, Math.floor(room / CHARACTER))}…` : each,
  );
}

/** Boxes in a window: layers up, positions across, none on another. */
export function placeBoxes(graph: Graph, boxes: readonly Box[], width: number, height: number): PlacedBox[] {
  const middle = (box: Box, values: ArrayLike<number>) => {
    let [sum, whole] = [0, 0];
    for (const node of box.members) {
      const weight = graph.influence[node] + 1e-9;
      sum += weight * values[node];
      whole += weight;
    }
    return sum / whole;
  };
  const across = shares(
    boxes,
    (box) => middle(box, graph.position),
    (box) => middle(box, graph.layer),
  );
  const placed = boxes.map((box, place): PlacedBox => {
    const lines = wrap(box.title, WIDEST - 24);
    const longest = Math.max(...lines.map((line) => line.length * CHARACTER), box.detail.length * 5.9);
    const wide = Math.min(WIDEST + 12, Math.max(64, longest + 26));
    const high = lines.length * LINE + 24;
    const up =
      box.kind === "target" ? 1 : box.kind === "token" ? 0 : levelOf(graph, middle(box, graph.layer));
    return {
      ...box,
      lines,
      width: wide,
      height: high,
      x: 24 + wide / 2 + across[place] * Math.max(0, width - 48 - wide),
      y: height - 24 - high / 2 - up * Math.max(0, height - 48 - high),
    };
  });
  for (const kind of ["target", "token"] as const)
    spread(
      placed.filter((box) => box.kind === kind),
      width,
    );
  separate(placed, width, height);
  return placed;
}

/**
 * Where boxes stand between left (0) and right (1): half by their position in the prompt, half by their rank
 * among the boxes of their row (tokens, outputs, all between), so that the whole width is used.
 */
function shares(
  boxes: readonly Box[],
  positionOf: (box: Box) => number,
  layerOf: (box: Box) => number,
): number[] {
  const positions = boxes.map(positionOf);
  const [least, most] = [Math.min(...positions), Math.max(...positions)];
  const found = new Array<number>(boxes.length);
  for (const row of ["target", "token", "between"]) {
    const inRow = boxes
      .map((_, place) => place)
      .filter((place) => rowOf(boxes[place]) === row)
      .sort((one, other) => positions[one] - positions[other] || layerOf(boxes[one]) - layerOf(boxes[other]));
    inRow.forEach((place, rank) => {
      const byPosition = most > least ? (positions[place] - least) / (most - least) : 0.5;
      const byRank = inRow.length > 1 ? rank / (inRow.length - 1) : byPosition;
      found[place] = row === "target" ? 0.7 + 0.3 * byRank : (byPosition + byRank) / 2;
    });
  }
  return found;
}

const rowOf = (box: Box): string => (box.kind === "target" || box.kind === "token" ? box.kind : "between");

/** Between tokens at 0 and outputs at 1, with some room to both. */
const levelOf = (graph: Graph, layer: number): number =>
  0.13 + (0.74 * Math.max(0, layer)) / Math.max(1, graph.nLayers - 1);

/** Side by side in their order, as near to where they want to be as there is room. */
function spread(row: PlacedBox[], width: number): void {
  const order = [...row].sort((one, other) => one.x - other.x || one.members[0] - other.members[0]);
  const gap = 10;
  let right = 24 - gap;
  for (const box of order) {
    box.x = Math.max(box.x, right + gap + box.width / 2);
    right = box.x + box.width / 2;
  }
  let left = Math.max(width - 24, right > width - 24 ? 0 : width - 24) + gap;
  for (const box of order.reverse()) {
    box.x = Math.min(box.x, left - gap - box.width / 2);
    left = box.x - box.width / 2;
  }
}

/** Push boxes that lie on each other apart, mostly sideways; tokens and outputs keep their rows. */
function separate(boxes: PlacedBox[], width: number, height: number): void {
  const isFixed = (box: PlacedBox) => box.kind === "target" || box.kind === "token";
  for (let round = 0; round < 200; round++) {
    let moved = false;
    for (let i = 0; i < boxes.length; i++)
      for (let j = i + 1; j < boxes.length; j++) {
        const [one, other] = [boxes[i], boxes[j]];
        const overlapX = (one.width + other.width) / 2 + 14 - Math.abs(one.x - other.x);
        const overlapY = (one.height + other.height) / 2 + 12 - Math.abs(one.y - other.y);
        if (overlapX <= 0 || overlapY <= 0) continue;
        moved = true;
        const sideways = overlapX < overlapY * 1.6;
        const share = isFixed(one) && isFixed(other) ? 0.5 : isFixed(one) ? 0 : isFixed(other) ? 1 : 0.5;
        const axis = sideways || (isFixed(one) && isFixed(other)) ? "x" : "y";
        const overlap = (axis === "x" ? overlapX : overlapY) + 0.5;
        const sign = one[axis] < other[axis] || (one[axis] === other[axis] && i < j) ? -1 : 1;
        one[axis] += sign * overlap * share;
        other[axis] -= sign * overlap * (1 - share);
      }
    for (const box of boxes) {
      box.x = Math.min(
        Math.max(box.x, 16 + box.width / 2),
        Math.max(width - 16 - box.width / 2, 16 + box.width / 2),
      );
      if (!isFixed(box))
        box.y = Math.min(
          Math.max(box.y, 16 + box.height / 2),
          Math.max(height - 16 - box.height / 2, 16 + box.height / 2),
        );
    }
    if (!moved) return;
  }
}

/** A curve from the top of one box to the bottom of another, or around where it does not lead up. */
export function curve(from: PlacedBox, to: PlacedBox): string {
  const [x0, y0] = [from.x, from.y - from.height / 2];
  const [x1, y1] = [to.x, to.y + to.height / 2];
  const bend = Math.max(24, Math.abs(y0 - y1) * 0.45);
  const at = (value: number) => value.toFixed(1);
  return `M${at(x0)},${at(y0)}C${at(x0)},${at(y0 - bend)} ${at(x1)},${at(y1 + bend)} ${at(x1)},${at(y1)}`;
}
