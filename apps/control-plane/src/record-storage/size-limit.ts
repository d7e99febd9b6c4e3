import type { PartitionSize } from './partition.store.js';

/**
 * The first hour to keep so that all tables together take no more than the limit: the oldest hours go first, each from all tables at
 * once, so that no answer holds one kind of records and lacks another. The present hour stays, whatever it takes. Null if all may stay.
 */
export function firstHourWithin(
  sizes: readonly PartitionSize[],
  limitBytes: number,
  presentHour: number,
): number | null {
  let total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  const byHour = Map.groupBy(sizes, ({ hour }) => hour);
  let first: number | null = null;
  for (const hour of [...byHour.keys()].sort((left, right) => left - right)) {
    if (total <= limitBytes || hour >= presentHour) break;
    for (const { bytes } of byHour.get(hour) ?? []) total -= bytes;
    first = hour + 1;
  }
  return first;
}
