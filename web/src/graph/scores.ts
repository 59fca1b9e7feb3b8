/** Replacement and completeness: scores of how much of the targets a part of a graph explains. */

import { ERROR, TOKEN, type Graph } from "./graph.ts";
import { safeDivide } from "./influence.ts";
import type { Prepared } from "./prepared_graph.ts";

/** Scores between 0 and 1; null where no influence flows. */
export interface PartScores {
  readonly replacement: number | null;
  readonly completeness: number | null;
}

/**
 * Both scores of a part of a graph: what pruning leaves, or the nodes that a person chose. Everything outside the part
 * counts as error at its own (layer, position).
 *
 * Contributions from outside add up, with their signs, at the error node of their (layer, position). For a file that
 * was pruned before, the scores are lower bounds: what was removed then (`graph.leftOut`) adds up without signs. Error
 * nodes always count as error.
 */
export function scoresOfPart(
  prepared: Prepared,
  keepNode: Uint8Array,
  keepEdge: Uint8Array | null,
): PartScores {
  const { graph, order, targetWeight } = prepared;
  const { offset, source, weight, kind } = graph;
  const explains = Uint8Array.from(keepNode, (inPart, node) =>
    inPart === 1 && kind[node] !== ERROR ? 1 : 0,
  );
  const influence = new Float64Array(graph.nNodes);
  const measureError = errorMeter(prepared, explains, keepEdge);
  let error = 0;
  let everything = 0;
  for (const target of order) {
    if (keepNode[target] === 0) continue;
    const outflow = influence[target] + targetWeight[target];
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
        influence[source[edge]] += Math.abs(weight[edge]) * each;
  }
  const token = influence.reduce((sum, own, node) => (kind[node] === TOKEN ? sum + own : sum), 0);
  return partScores(token, error, everything + error);
}

/** False for a pruned file that does not store what was removed: its scores are upper bounds. */
export const knowsWhatIsMissing = (graph: Graph): boolean =>
  graph.info.whole === null || graph.leftOut !== null;

/** A function that gives the error in a row: the net of all outside the part, for each (layer, position). */
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
      // `leftOut` includes the error nodes already.
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

/** Influence on error nodes, against that on tokens (replacement) and on all nodes (completeness). */
function partScores(token: number, error: number, everything: number): PartScores {
  return {
    replacement: token + error > 0 ? token / (token + error) : null,
    completeness: everything > 0 ? 1 - error / everything : null,
  };
}
