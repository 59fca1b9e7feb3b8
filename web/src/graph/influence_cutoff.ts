/** The value from which on the largest values reach a share of their sum, without sorting them all. */

/**
 * The smallest value of the smallest set whose sum reaches `threshold` of the whole; negative values are ignored. A
 * threshold of 1 reaches down to the smallest positive value, however little it adds.
 *
 * Values are summed in bins by exponent and leading bits; only those of the bin where the sum is reached are sorted.
 * The result is exactly that of a full sort.
 */
export function smallestKept(values: Float64Array, threshold: number): number {
  if (threshold >= 1) return smallestAboveZero(values);
  const bins = sumByBin(values);
  const total = bins.reduce((sum, bin) => sum + bin, 0);
  if (!(total > 0)) return 0;
  const needed = threshold * total;
  let above = 0;
  for (let bin = BINS - 1; bin >= 0; bin--) {
    if (bins[bin] > 0 && above + bins[bin] >= needed)
      return reachedWithin(valuesInBin(values, bin), above, needed);
    above += bins[bin];
  }
  return smallestAboveZero(values); // rounding left the sum short of the whole at its very end
}

/** The same cutoff of values that are sorted, the largest first. */
export function smallestKeptOfSorted(ordered: Float64Array, threshold: number): number {
  if (threshold < 1)
    return reachedWithin(ordered, 0, threshold * ordered.reduce((sum, value) => sum + value, 0));
  let last = ordered.length - 1;
  while (last > 0 && ordered[last] === 0) last--;
  return ordered[last] ?? 0;
}

/** The first of `ordered` at which the sum, `above` so far, reaches what is needed, or the last. */
function reachedWithin(ordered: Float64Array, above: number, needed: number): number {
  let sum = above;
  for (const value of ordered) if ((sum += value) >= needed) return value;
  return ordered[ordered.length - 1] ?? 0;
}

function smallestAboveZero(values: Float64Array): number {
  let smallest = Infinity;
  for (const value of values) if (value > 0 && value < smallest) smallest = value;
  return smallest === Infinity ? 0 : smallest;
}

/** A bin is sign, exponent and four leading bits: larger positive numbers have larger bins. */
const BIN_SHIFT = 16;
const BINS = 2 ** 15;
const HIGH_WORD = new Uint8Array(Uint16Array.of(1).buffer)[0];

const highWords = (values: Float64Array) =>
  new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);

function sumByBin(values: Float64Array): Float64Array {
  const words = highWords(values);
  const bins = new Float64Array(BINS);
  for (let index = 0; index < values.length; index++)
    if (values[index] > 0) bins[words[2 * index + HIGH_WORD] >>> BIN_SHIFT] += values[index];
  return bins;
}

function valuesInBin(values: Float64Array, bin: number): Float64Array {
  const words = highWords(values);
  const inBin: number[] = [];
  for (let index = 0; index < values.length; index++)
    if (values[index] > 0 && words[2 * index + HIGH_WORD] >>> BIN_SHIFT === bin) inBin.push(values[index]);
  return Float64Array.from(inBin).sort().reverse();
}
