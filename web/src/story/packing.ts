/** Places on a line: as near as can be to where each wants to be, in that order, without overlap. */

/**
 * Middles of things of given sizes between `begin` and `end`, at least `gap` apart; the sum of squared shifts is
 * smallest (pooling of adjacent violators). Where they do not fit, they go on beyond the end.
 */
export function packed(
  wanted: readonly number[],
  sizes: readonly number[],
  begin: number,
  end: number,
  gap: number,
): number[] {
  const order = wanted
    .map((_, place) => place)
    .sort((one, other) => wanted[one] - wanted[other] || one - other);
  // Shifted left by the room of those before, things that touch stand at one place.
  const before = new Map<number, number>();
  let used = 0;
  for (const place of order) {
    before.set(place, used + sizes[place] / 2);
    used += sizes[place] + gap;
  }
  const pools: { sum: number; members: number[] }[] = [];
  for (const place of order) {
    pools.push({ sum: wanted[place] - before.get(place)!, members: [place] });
    while (pools.length > 1 && mean(pools.at(-2)!) >= mean(pools.at(-1)!)) {
      const last = pools.pop()!;
      const pool = pools.at(-1)!;
      pool.sum += last.sum;
      pool.members.push(...last.members);
    }
  }
  const most = Math.max(begin, end - (used - gap));
  const placed = new Array<number>(wanted.length);
  for (const pool of pools)
    for (const place of pool.members)
      placed[place] = Math.min(most, Math.max(begin, mean(pool))) + before.get(place)!;
  return placed;
}

const mean = ({ sum, members }: { sum: number; members: number[] }): number => sum / members.length;
