import fc from 'fast-check';
import { expect, it } from 'vitest';
import { firstHourWithin } from './size-limit.js';

const PRESENT = 100;
const size = (hour: number, bytes: number) =>
  ({ table: 'handshake', name: `handshake at ${hour}`, hour, bytes, hasRows: true }) as const;

it.each([
  ['all is within it', [size(97, 10), size(98, 10)], 20, null],
  ['the oldest hour is too much', [size(98, 10), size(97, 10)], 19, 98],
  ['one table of the oldest hour is', [size(97, 5), size(97, 5), size(98, 10)], 15, 98],
  ['an hour without partitions lies between', [size(90, 10), size(98, 10)], 10, 91],
  ['even the present hour is', [size(99, 1), size(100, 10), size(101, 10)], 1, 100],
  ['there is nothing', [], 1, null],
])('of the hours the first to keep is found where %s', (_case, sizes, limit, first) => {
  expect(firstHourWithin(sizes, limit, PRESENT)).toBe(first);
});

it('drops no more than it must, and never the present', () => {
  const sizes = fc.array(
    fc
      .record({ hour: fc.integer({ min: 80, max: 103 }), bytes: fc.nat(1_000) })
      .map(({ hour, bytes }) => size(hour, bytes)),
  );
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 10_000 }), (partitions, limit) => {
      const first = firstHourWithin(partitions, limit, PRESENT) ?? 0;
      const from = (hour: number) =>
        partitions.filter((partition) => partition.hour >= hour).reduce((sum, { bytes }) => sum + bytes, 0);
      expect(first).toBeLessThanOrEqual(PRESENT);
      expect(from(Math.max(first, 0)) <= limit || from(first) === from(PRESENT)).toBe(true);
      if (first > 0) expect(from(first - 1)).toBeGreaterThan(limit);
    }),
  );
});
