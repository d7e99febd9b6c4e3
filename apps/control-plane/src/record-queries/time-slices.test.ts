import fc from 'fast-check';
import { expect, it } from 'vitest';
import { timeSlices } from './time-slices.js';

it('cuts any window into slices that cover it once, from its end to its start', () => {
  const time = fc.integer({ min: 0, max: 2e15 });
  fc.assert(
    fc.property(time, time, time, (since, until, now) => {
      const slices = [...timeSlices(since, until, now)];
      let end = until;
      for (const { sinceUs, untilUs } of slices) {
        expect(untilUs).toBe(end);
        expect(sinceUs).toBeLessThan(untilUs);
        end = sinceUs;
      }
      expect(end).toBe(Math.min(since, until) === until ? until : since);
      expect(slices.length).toBeLessThan(20);
    }),
  );
});
