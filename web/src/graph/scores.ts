/** Replacement and completeness: how much of the targets a part explains without its error nodes. */

import { ERROR, TOKEN, type Graph } from "./graph.ts";
import { safeDivide } from "./influence.ts";
import type { Prepared } from "./prepared_graph.ts";

/** Each between 0 and 1, or null where nothing flows that could be divided. */
export interface PartScores {
  readonly replacement: number | null;
  readonly completeness: number | null;
}

/**
 * Both scores of a chosen part (what pruning keeps, or the nodes a person pinned): everything left out counts
 * as error of its own (layer, position).
 *
 * Contributions left out add up, with their signs, to the error node where they would have been written. Of
 * a file that was pruned before, the scores are lower bounds: what was left out then (`graph.leftOut`) adds
 * up without signs to what is left out now. Error nodes of the part cannot be left out.
 */
export function scoresOfPart(
  prepared: Prepared,
  keepNode: Uint8Array,
  keepEdge: Uint8Array | null,
): PartScores {
  const { graph, order, targetWeight } = prepared;
  const { offset, source, weight, kind } = graph;
  const explains = Uint8Array.from(keepNode, (kept, node) => (kept === 1 && kind[node] !== ERROR ? 1 : 0));
  const found = new Float64Array(graph.nNodes);
  const measureError = errorMeter(prepared, explains, keepEdge);
  let error = 0;
  let everything = 0;
  for (const target of order) {
    if (keepNode[target] === 0) continue;
    const outflow = found[target] + targetWeight[target];
    everything += outflow;
    if (outflow === 0) continue;
    const begin = offset[target];
    const end = offset[target + 1];
    const missing = measureError(target);
    let total = missing;
    for (let edge = begin; edge < end; edge++)
      if (explains[source[edge]] === 1 && (keepEdge === null || keepEdge[edge] === 1))
        total += Math.abs(weight[edge]);
    const each = safeDivide(outflow, total);
    error += missing * each;
    for (let edge = begin; edge < end; edge++)
      if (explains[source[edge]] === 1 && (keepEdge === null || keepEdge[edge] === 1))
        found[source[edge]] += Math.abs(weight[edge]) * each;
  }
  const token = found.reduce((sum, own, node) => (kind[node] === TOKEN ? sum + own : sum), 0);
  return partScores(token, error, everything + error);
}

/** False for a pruned file that does not say what was left out: its scores then are upper bounds. */
export const knowsWhatIsMissing = (graph: Graph): boolean =>
  graph.info.whole === null || graph.leftOut !== null;

/** A function from a row to what counts as error in it: per (layer, position) the net of all left out. */
function errorMeter(
  { graph, cell, nCells }: Prepared,
  explains: Uint8Array,
  keepEdge: Uint8Array | null,
): (target: number) => number {
  const { offset, source, weight, kind, leftOut } = graph;
  const net = new Float64Array(nCells);
  const touched = new Int32Array(nCells);
  const touchedBy = new Int32Array(nCells).fill(-1);
  return (target) => {
    let cells = 0;
    for (let edge = offset[target]; edge < offset[target + 1]; edge++) {
      const from = source[edge];
      if (explains[from] === 1 && (keepEdge === null || keepEdge[edge] === 1)) continue;
      // What the file says to be left out has counted the error nodes already.
      if (leftOut !== null && kind[from] === ERROR) continue;
      const where = cell[from];
      if (touchedBy[where] !== target) {
        touchedBy[where] = target;
        touched[cells++] = where;
        net[where] = 0;
      }
      net[where] += weight[edge];
    }
    let sum = leftOut === null ? 0 : leftOut[target];
    for (let index = 0; index < cells; index++) sum += Math.abs(net[touched[index]]);
    return sum;
  };
}

/** A node's influence is what its targets receive from it, so that on errors weighs every node's share. */
function partScores(token: number, error: number, everything: number): PartScores {
  return {
    replacement: token + error > 0 ? token / (token + error) : null,
    completeness: everything > 0 ? 1 - error / everything : null,
  };
}
