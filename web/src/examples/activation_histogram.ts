/** How often a feature was how active, as an index counted it, and where one activation lies in that. */

import type { FeatureRecord, Histogram } from "../api/types.ts";
import { number, percent } from "../format/numbers.ts";

/** Share of positions at which the activation was lower: exact up to the bin that holds it, even within that. */
export function shareBelow({ edges, counts }: Histogram, value: number): number {
  const total = sum(counts);
  if (!total) return NaN;
  let below = 0;
  for (let bin = 0; bin < counts.length; bin++) below += counts[bin] * partBelow(edges, bin, value);
  return below / total;
}

/** Where a value stands on an axis on which all bins are equally wide, in bins from the left; clipped to it. */
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

/** "higher than at 99.8 % of positions": from zero outwards, as an activation counts. */
export function rankSentence(details: FeatureRecord, activation: number): string {
  const { histogram, minimum, maximum } = details;
  const way = activation < 0 ? "lower" : "higher";
  const extreme = activation < 0 ? minimum : maximum;
  if (extreme !== null && Math.abs(activation) > Math.abs(extreme))
    return `${way} than anywhere in these texts`;
  const below = shareBelow(histogram, activation);
  if (Number.isNaN(below)) return "";
  const sentence = `${way} than at ${shareText(activation < 0 ? 1 - below : below)} of positions`;
  const among = activeBelow(histogram, activation);
  if (details.frequency >= RARE || among === null) return sentence;
  return `${sentence}, and than at ${shareText(among)} of those where it is active`;
}

/** Of features that are active less often, being active at all says the most; how much is told beside it. */
const RARE = 0.5;

/** The same share among positions with an activation of the same sign; null where there are none. */
function activeBelow({ edges, counts }: Histogram, activation: number): number | null {
  let [inside, below] = [0, 0];
  counts.forEach((count, bin) => {
    const ofThisSign = activation < 0 ? edges[bin] < 0 : edges[bin + 1] > 0;
    if (!ofThisSign) return;
    const part = partBelow(edges, bin, activation);
    inside += count;
    below += count * (activation < 0 ? 1 - part : part);
  });
  return inside ? below / inside : null;
}

/** Never 100 % of what is not all. */
export function shareText(share: number): string {
  if (share >= 0.9995) return "over 99.9 %";
  return share > 0.99 ? `${(100 * share).toFixed(1)} %` : percent(share);
}

/** "active at 3.1 % of 300,000 tokens"; nothing of a feature that has texts but whose frequency nobody told. */
export function frequencySentence({ frequency, positions }: FeatureRecord): string {
  if (frequency <= UNTOLD) return "";
  const often =
    frequency >= 0.9995
      ? "nearly all"
      : frequency < 1e-4
        ? `${number(100 * frequency)} %`
        : percent(frequency);
  return positions
    ? `active at ${often} of ${positions.toLocaleString("en")} tokens`
    : `active at ${often} of the tokens`;
}

const UNTOLD = 1e-9;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
