import { describe, expect, it } from 'vitest';
import { AttemptLimit } from './attempt-limit.js';

function exhausted(limit: AttemptLimit, address: string): void {
  for (let failure = 0; failure < 20; failure++) limit.failed(address);
}

describe('the limit on enrolment attempts', () => {
  it('refuses an address after twenty failures, and nobody else', () => {
    const limit = new AttemptLimit(() => 0);
    exhausted(limit, '192.0.2.1');
    expect(limit.allows('192.0.2.1')).toBe(false);
    expect(limit.allows('192.0.2.2')).toBe(true);
  });

  it('forgets a failure every three seconds', () => {
    let nowMs = 0;
    const limit = new AttemptLimit(() => nowMs);
    exhausted(limit, '192.0.2.1');
    nowMs = 3_000;
    expect(limit.allows('192.0.2.1')).toBe(true);
    limit.failed('192.0.2.1');
    expect(limit.allows('192.0.2.1')).toBe(false);
  });

  it('takes a /64 of IPv6 for one host, and a mapped IPv4 address for what it is', () => {
    const limit = new AttemptLimit(() => 0);
    exhausted(limit, '2001:db8::1');
    expect(limit.allows('2001:db8:0:0:ffff::9')).toBe(false);
    expect(limit.allows('2001:db8:0:1::1')).toBe(true);
    exhausted(limit, '::ffff:192.0.2.1');
    expect(limit.allows('192.0.2.1')).toBe(false);
  });

  it('keeps a bounded number of addresses in mind', () => {
    const limit = new AttemptLimit(() => 0);
    exhausted(limit, '192.0.2.1');
    for (let host = 0; host < 10_000; host++) limit.failed(`10.0.${host >> 8}.${host & 255}`);
    expect(limit.allows('192.0.2.1')).toBe(true);
  });
});
