import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientNetwork } from './client-address.js';
import { TokenBuckets } from './token-buckets.js';

describe('token buckets', () => {
  const at = (perMinute: number, maximumBuckets = 100) => {
    const clock = { ms: 0 };
    return { clock, buckets: new TokenBuckets({ perMinute, maximumBuckets, now: () => clock.ms }) };
  };

  it('let a full bucket through at once, and say when there is one more', () => {
    const { clock, buckets } = at(3);
    expect([1, 2, 3].map(() => buckets.take('a').remaining)).toEqual([2, 1, 0]);
    expect(buckets.take('a')).toEqual({
      allowed: false,
      remaining: 0,
      retryAfterSeconds: 20,
      fullInSeconds: 60,
    });
    clock.ms = 19_999;
    expect(buckets.take('a')).toMatchObject({ allowed: false, retryAfterSeconds: 1 });
    clock.ms = 20_000;
    expect(buckets.take('a')).toMatchObject({ allowed: true, remaining: 0 });
    expect(buckets.take('b')).toMatchObject({ allowed: true, remaining: 2 });
  });

  it('owe what is charged beyond them, but never more than a minute', () => {
    const { clock, buckets } = at(60);
    for (let charge = 0; charge < 1_000; charge++) buckets.charge('a');
    expect(buckets.take('a')).toMatchObject({ allowed: false, retryAfterSeconds: 61 });
    clock.ms = 61_000;
    expect(buckets.take('a').allowed).toBe(true);
  });

  it('forget the one that was used longest ago when there are too many', () => {
    const { buckets } = at(1, 2);
    for (const key of ['a', 'b', 'a', 'c']) buckets.take(key);
    expect(['a', 'b', 'c'].map((key) => buckets.has(key))).toEqual([true, false, true]);
  });

  it('refuse nothing without a limit', () => {
    const { buckets } = at(0);
    expect(Array.from({ length: 10 }, () => buckets.take('a').allowed)).not.toContain(false);
    expect(buckets.look('a').allowed).toBe(true);
  });

  it('never let more through than a full one and what flowed in, and always what they said would be let through', () => {
    const waits = fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), waits, (perMinute, steps) => {
        const { clock, buckets } = at(perMinute);
        let allowed = 0;
        for (const step of steps) {
          clock.ms += step;
          const answer = buckets.take('a');
          if (answer.allowed) allowed++;
          else {
            clock.ms += answer.retryAfterSeconds * 1_000;
            expect(buckets.take('a').allowed).toBe(true);
            allowed++;
          }
          expect(allowed).toBeLessThanOrEqual(perMinute + (clock.ms / 60_000) * perMinute + 1e-6);
        }
      }),
    );
  });
});

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::1', '0:0:0:0::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8::6', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['2001:0db8:0001::', '2001:db8:1:0::/64'],
])('failures from %s count for %s', (address, network) => {
  expect(clientNetwork(address)).toBe(network);
});
