/** Which edges are drawn: the strongest at rest, and those of the selection. */

import type { Graph } from "../graph/graph.ts";
import type { Prepared } from "../graph/prepare.ts";

const AT_REST = 350;
const OF_SELECTION = 500;

interface Drawn {
  edges: Int32Array;
  targets: Int32Array;
}

/** The shown edges that carry most influence, the strongest last. */
export function strongestEdges(
  { graph, flow }: Prepared,
  keepNode: Uint8Array,
  keepEdge: Uint8Array,
  count = AT_REST,
): Drawn {
  const heap = new Strongest(count);
  for (let target = 0; target < graph.nNodes; target++) {
    if (!keepNode[target]) continue;
    const each = flow.perWeight[target];
    for (let edge = graph.offset[target]; edge < graph.offset[target + 1]; edge++)
      if (keepEdge[edge]) heap.offer(Math.abs(graph.weight[edge]) * each, edge, target);
  }
  return heap.ascending();
}

/** A heap of the largest values seen, the smallest of them on top. */
class Strongest {
  private readonly value: Float64Array;
  private readonly edge: Int32Array;
  private readonly target: Int32Array;
  private size = 0;

  constructor(private readonly room: number) {
    this.value = new Float64Array(room);
    this.edge = new Int32Array(room);
    this.target = new Int32Array(room);
  }

  offer(value: number, edge: number, target: number): void {
    if (this.size < this.room) {
      this.put(this.size, value, edge, target);
      this.up(this.size++);
    } else if (value > this.value[0]) {
      this.put(0, value, edge, target);
      this.down();
    }
  }

  ascending(): Drawn {
    const order = Int32Array.from({ length: this.size }, (_, place) => place);
    order.sort((one, other) => this.value[one] - this.value[other]);
    return {
      edges: order.map((place) => this.edge[place]),
      targets: order.map((place) => this.target[place]),
    };
  }

  private put(place: number, value: number, edge: number, target: number): void {
    this.value[place] = value;
    this.edge[place] = edge;
    this.target[place] = target;
  }

  private swap(one: number, other: number): void {
    const [value, edge, target] = [this.value[one], this.edge[one], this.target[one]];
    this.put(one, this.value[other], this.edge[other], this.target[other]);
    this.put(other, value, edge, target);
  }

  private up(place: number): void {
    for (let above = (place - 1) >> 1; place > 0 && this.value[place] < this.value[above];) {
      this.swap(place, above);
      place = above;
      above = (place - 1) >> 1;
    }
  }

  private down(): void {
    for (let place = 0; ;) {
      const [left, right] = [2 * place + 1, 2 * place + 2];
      let least = place;
      if (left < this.size && this.value[left] < this.value[least]) least = left;
      if (right < this.size && this.value[right] < this.value[least]) least = right;
      if (least === place) return;
      this.swap(place, least);
      place = least;
    }
  }
}

export interface SelectionEdge {
  edge: number;
  target: number;
  /** Of the strongest edge of the selection, between 0 and 1. */
  share: number;
}

/** Edges into and out of some nodes, the strongest first; between the selected nodes alone for several. */
export function edgesOf(
  graph: Graph,
  nodes: readonly number[],
  keepNode: Uint8Array,
  keepEdge: Uint8Array,
): SelectionEdge[] {
  const found: { edge: number; target: number; size: number }[] = [];
  const add = (edge: number, target: number) => {
    if (keepEdge[edge] && keepNode[target] && keepNode[graph.source[edge]])
      found.push({ edge, target, size: Math.abs(graph.weight[edge]) });
  };
  for (const node of nodes) {
    for (let edge = graph.offset[node]; edge < graph.offset[node + 1]; edge++) add(edge, node);
    for (let place = graph.outOffset[node]; place < graph.outOffset[node + 1]; place++)
      add(graph.outEdge[place], graph.outTarget[place]);
  }
  found.sort((one, other) => other.size - one.size);
  const most = found[0]?.size || 1;
  return found
    .slice(0, OF_SELECTION)
    .map(({ edge, target, size }) => ({ edge, target, share: Math.sqrt(size / most) }));
}
