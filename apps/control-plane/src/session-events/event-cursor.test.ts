import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  committedBetween,
  parseSnapshot,
  type Snapshot,
  snapshotThrough,
} from '../stored-batches/snapshot.js';
import { decodeEventCursor, encodeEventCursor } from './event-cursor.js';

const snapshotArbitrary: fc.Arbitrary<Snapshot> = fc
  .record({
    next: fc.integer({ min: 500, max: 2 ** 53 - 1 }),
    distances: fc.uniqueArray(fc.integer({ min: 1, max: 500 })),
  })
  .map(({ next, distances }) => ({
    next,
    running: distances.map((distance) => next - distance).sort((left, right) => left - right),
  }));

const has = ({ next, running }: Snapshot, transaction: number) =>
  transaction < next && !running.includes(transaction);

describe('the id of an event', () => {
  const session = randomUUID();

  it('gives back what it was made from, in letters that a header and an address can carry', () => {
    fc.assert(
      fc.property(snapshotArbitrary, fc.nat(), fc.nat(), fc.boolean(), (seen, later, sent, whole) => {
        const end = { next: Math.min(seen.next + later, 2 ** 53 - 1), running: [] };
        const cursor = { seen, page: whole ? null : { end, sent } };
        const text = encodeEventCursor(session, cursor);
        expect(text).toMatch(/^[\w.-]+$/);
        expect(decodeEventCursor(session, text)).toEqual(cursor);
        expect(decodeEventCursor(randomUUID(), text)).toBe('another session');
      }),
    );
  });

  it('is read from no other text, and never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (left, right) => {
        for (const text of [left, `${left}.${right}`, `AAAAAAAA.${right}`, `AAAAAAAA.z.${left}.${right}`]) {
          const cursor = decodeEventCursor(session, text);
          expect(cursor === null || cursor === 'another session').toBe(true);
        }
      }),
    );
  });
});

describe('a snapshot', () => {
  it('is read as Postgres writes it', () => {
    expect(parseSnapshot('10:20:10,14,15')).toEqual({ next: 20, running: [10, 14, 15] });
    expect(parseSnapshot('10:10:')).toEqual({ next: 10, running: [] });
    expect(() => parseSnapshot('10')).toThrow(RangeError);
  });

  // Transactions 0–39 that begin in the order of their numbers and end in any order: what one that looks now and then sees.
  const history = fc
    .record({
      ends: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 40, maxLength: 40 }),
      looks: fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 30 })),
    })
    .map(({ ends, looks: [first, length] }) => {
      const at = (time: number): Snapshot => {
        const next = Math.min(time, 40);
        return {
          next,
          running: ends.flatMap((end, number) => (number < next && number + end >= time ? [number] : [])),
        };
      };
      return { from: at(first), to: at(first + length) };
    });

  it('grows by whole transactions until it is the later one, whatever order they ended in', () => {
    fc.assert(
      fc.property(history, ({ from, to }) => {
        const between = Array.from({ length: 40 }, (_, number) => number).filter(
          (number) => has(to, number) && !has(from, number),
        );
        const shown = new Set<number>();
        let seen = from;
        for (const transaction of between) {
          shown.add(transaction);
          seen = snapshotThrough(seen, to, transaction);
          for (let number = 0; number < 40; number++) {
            expect(has(seen, number)).toBe(has(from, number) || shown.has(number));
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('differs from a later one by exactly what was committed in between', () => {
    fc.assert(
      fc.property(history, ({ from, to }) => {
        const { since, before, besides, others } = committedBetween(from, to);
        for (let number = 0; number < 40; number++) {
          const isBetween =
            (number >= since && number < before && !besides.includes(number)) || others.includes(number);
          expect(isBetween).toBe(has(to, number) && !has(from, number));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
