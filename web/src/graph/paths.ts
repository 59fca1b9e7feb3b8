/** The strongest signed paths through a graph. */

import { nodesOfKind, TOKEN, type Graph } from "./graph.ts";
import { makeHeap } from "./heap.ts";
import { safeDivide, type Mask } from "./influence.ts";
import type { Prepared } from "./prepared_graph.ts";

/**
 * A chain of nodes from a source up to a target.
 *
 * `share` is the product of the edges' shares of their targets' inputs: the part of the target's influence
 * that arrives along this path alone. `sign` is 1 where more of the source raises the target, and -1 where it lowers
 * it: the product of the edges' signs, turned once more for every negative activation on the path, because an edge's
 * weight contains the activation.
 */
export interface SignedPath {
  readonly nodes: number[];
  readonly share: number;
  readonly sign: 1 | -1;
}

export interface PathsFound {
  /** Strongest first. */
  readonly paths: SignedPath[];
  /** False where the search stopped early, so that stronger paths may exist. */
  readonly complete: boolean;
}

export interface PathSearch {
  sources: Iterable<number>;
  targets: Iterable<number>;
  count?: number;
  /** Only paths through these nodes and edges; shares stay those of the whole inputs. */
  mask?: Mask;
  /** Steps after which the search stops early. */
  mostSteps?: number;
}

/**
 * The `count` paths with the largest share from any source up to any target, at least one edge long; a
 * share is that of the target where its path ends. Throws a sentence for nodes that do not exist.
 */
export function strongestPaths(prepared: Prepared, search: PathSearch): PathsFound {
  const { count = 10, mostSteps = 50_000, mask } = search;
  const sources = existing(prepared.graph, search.sources);
  const targets = existing(prepared.graph, search.targets);
  const shown = (node: number) => !mask || mask.node[node] === 1;
  const isSource = new Uint8Array(prepared.graph.nNodes);
  for (const node of sources) if (shown(node)) isSource[node] = 1;
  const reach = bestShareFrom(prepared, isSource, mask);
  return descend(prepared, { reach, isSource, mask, count, mostSteps }, targets.filter(shown));
}

/** The strongest paths from all tokens to one output. */
export function explainToken(
  prepared: Prepared,
  target: number,
  options: Pick<PathSearch, "count" | "mask" | "mostSteps"> = {},
): PathsFound {
  const sources = nodesOfKind(prepared.graph, TOKEN);
  return strongestPaths(prepared, { ...options, sources, targets: [target] });
}

function existing(graph: Graph, given: Iterable<number>): number[] {
  const nodes = [...new Set(given)];
  for (const node of nodes)
    if (!Number.isInteger(node) || node < 0 || node >= graph.nNodes)
      throw new Error(`Node ${node} does not exist: the graph has nodes 0 to ${graph.nNodes - 1}.`);
  return nodes;
}

/** The largest share of any path from a source up to each node (1 for a source, 0 where there is none). */
function bestShareFrom(prepared: Prepared, isSource: Uint8Array, mask: Mask | undefined): Float64Array {
  const { graph, order, flow } = prepared;
  const { offset, source, weight } = graph;
  const best = Float64Array.from(isSource);
  for (let step = order.length - 1; step >= 0; step--) {
    const target = order[step];
    if (mask && mask.node[target] === 0) continue;
    let strongest = 0;
    for (let edge = offset[target]; edge < offset[target + 1]; edge++) {
      if (mask?.edge && mask.edge[edge] === 0) continue;
      strongest = Math.max(strongest, best[source[edge]] * Math.abs(weight[edge]));
    }
    best[target] = Math.max(best[target], safeDivide(strongest, flow.rowTotal[target]));
  }
  return best;
}

/** The search, prepared for one graph. */
interface Frame {
  reach: Float64Array;
  isSource: Uint8Array;
  mask: Mask | undefined;
  count: number;
  mostSteps: number;
}

/** A path from its target down; finished, or with `promise` the best share that it may come to. */
interface Growing {
  promise: number;
  nodes: number[];
  share: number;
  sign: 1 | -1;
  finished: boolean;
}

/** Grow paths downward from the targets, most promising first (A* with the exact remaining share). */
function descend(prepared: Prepared, frame: Frame, targets: number[]): PathsFound {
  const { reach, isSource, count, mostSteps } = frame;
  const { activation } = prepared.graph;
  const inputsOf = bestInputs(prepared, frame);
  const paths: SignedPath[] = [];
  const queue = makeHeap<Growing>(goesFirst);
  for (const target of targets)
    queue.push({ promise: reach[target], nodes: [target], share: 1, sign: 1, finished: false });
  for (let steps = 0; paths.length < count; steps++) {
    const path = queue.pop();
    if (!path || path.promise === 0) break;
    if (steps >= mostSteps) return { paths, complete: false };
    const { nodes, share, sign } = path;
    if (path.finished) {
      paths.push({ nodes: nodes.slice().reverse(), share, sign });
      continue;
    }
    const node = nodes[nodes.length - 1];
    const begun = nodes.length > 1;
    if (begun && isSource[node] === 1) queue.push({ ...path, promise: share, finished: true });
    const turned = begun && activation[node] < 0 ? turn(sign) : sign;
    for (const below of inputsOf(node)) {
      const grown = share * below.share;
      queue.push({
        promise: grown * reach[below.node],
        nodes: [...nodes, below.node],
        share: grown,
        sign: below.negative ? turn(turned) : turned,
        finished: false,
      });
    }
  }
  return { paths, complete: true };
}

const turn = (sign: 1 | -1): 1 | -1 => (sign === 1 ? -1 : 1);

/** The more promising path goes first, then the one with the smaller node where they differ, then the shorter. */
function goesFirst(left: Growing, right: Growing): boolean {
  if (left.promise !== right.promise) return left.promise > right.promise;
  const length = Math.min(left.nodes.length, right.nodes.length);
  for (let at = 0; at < length; at++)
    if (left.nodes[at] !== right.nodes[at]) return left.nodes[at] < right.nodes[at];
  return left.nodes.length < right.nodes.length;
}

interface Input {
  node: number;
  share: number;
  negative: boolean;
}

/** A function that gives the `count` edges into a node that strongest paths may use; it sorts each row once. */
function bestInputs(prepared: Prepared, { reach, mask, count }: Frame): (node: number) => Input[] {
  const { offset, source, weight } = prepared.graph;
  const { rowTotal } = prepared.flow;
  const cache = new Map<number, Input[]>();
  const find = (node: number): Input[] => {
    const inputs: Input[] = [];
    for (let edge = offset[node]; edge < offset[node + 1]; edge++) {
      const from = source[edge];
      if (weight[edge] === 0 || reach[from] === 0 || (mask?.edge && mask.edge[edge] === 0)) continue;
      inputs.push({ node: from, share: Math.abs(weight[edge]) / rowTotal[node], negative: weight[edge] < 0 });
    }
    const promise = (input: Input) => input.share * reach[input.node];
    return inputs.sort((left, right) => promise(right) - promise(left)).slice(0, count);
  };
  return (node) => {
    const inputs = cache.get(node) ?? find(node);
    cache.set(node, inputs);
    return inputs;
  };
}
