/** The histogram of a feature's activations in an index, and the rank of one activation in it. */

import type { FeatureRecordAnswer, Histogram } from "../api/types.ts";
import { number, percent, count } from "../format/numbers.ts";

/** Share of positions with a lower activation: exact up to the bin that holds it, interpolated within that. */
export function shareBelow({ edges, counts }: Histogram, value: number): number {
  const total = sum(counts);
  if (!total) return NaN;
  let below = 0;
  for (let bin = 0; bin < counts.length; bin++) below += counts[bin] * partBelow(edges, bin, value);
  return below / total;
}

/** Place of a value on an axis with bins of equal width, in bins from the left; clipped to the axis. */
export function placeOn({ edges, counts }: Histogram, value: number): number {
  let place = 0;
  for (let bin = 0; bin < counts.length; bin++) place += partBelow(edges, bin, value);
  return place;
}

function partBelow(edges: readonly number[], bin: number, value: number): number {
  const [low, high] = [edges[bin], edges[bin + 1]];
  if (value > high) return 1;
  if (value <= low) return value === low && low === high ? 0.5 : 0;
  return (value - low) / (high - low);
}

/** Heights from 0 to 1; logarithmic, since most positions are near zero and the few others matter. */
export function heights({ counts }: Histogram): number[] {
  const highest = Math.log1p(Math.max(...counts, 0));
  return counts.map((count) => (highest ? Math.log1p(count) / highest : 0));
}

/** Features that are active at a smaller share of positions get a second rank, among those positions alone. */
const RARE = 0.5;
/** Smaller frequencies mean that the index has texts of a feature but did not count how often it is active. */
const UNCOUNTED = 1e-9;

/** "higher than at 99.8 % of positions"; negative activations are ranked from zero downwards. */
export function rankSentence(details: FeatureRecordAnswer, activation: number): string {
  const { histogram, minimum, maximum } = details;
  const direction = activation < 0 ? "lower" : "higher";
  const extreme = activation < 0 ? minimum : maximum;
  if (extreme !== null && Math.abs(activation) > Math.abs(extreme))
    return `${direction} than anywhere in these texts`;
  const below = shareBelow(histogram, activation);
  if (Number.isNaN(below)) return "";
  const sentence = `${direction} than at ${shareText(activation < 0 ? 1 - below : below)} of positions`;
  const among = activeBelow(histogram, activation);
  if (details.frequency >= RARE || among === null) return sentence;
  return `${sentence}, and than at ${shareText(among)} of those where it is active`;
}

/** Share of lower activations among those with the same sign; null where there are none. */
function activeBelow({ edges, counts }: Histogram, activation: number): number | null {
  let [inside, below] = [0, 0];
  counts.forEach((inBin, bin) => {
    const ofThisSign = activation < 0 ? edges[bin] < 0 : edges[bin + 1] > 0;
    if (!ofThisSign) return;
    const part = partBelow(edges, bin, activation);
    inside += inBin;
    below += inBin * (activation < 0 ? 1 - part : part);
  });
  return inside ? below / inside : null;
}

/** A share in percent; only the whole is 100 %. */
export function shareText(share: number): string {
  if (share >= 0.9995) return "over 99.9 %";
  return share > 0.99 ? `${(100 * share).toFixed(1)} %` : percent(share);
}

/** "active at 3.1 % of 300,000 tokens"; empty where the index did not count it. */
export function frequencySentence({ frequency, positions }: FeatureRecordAnswer): string {
  if (frequency <= UNCOUNTED) return "";
  const often =
    frequency >= 0.9995
      ? "nearly all"
      : frequency < 1e-4
        ? `${number(100 * frequency)} %`
        : percent(frequency);
  return positions ? `active at ${often} of ${count(positions)} tokens` : `active at ${often} of the tokens`;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
