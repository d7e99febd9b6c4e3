import { afterEach, describe, expect, it, vi } from 'vitest';
import { clockOffsetText, endpointText, latencyText, timeText } from './values.js';

afterEach(() => vi.unstubAllEnvs());

describe('values for people', () => {
  it.each([
    [0, '0 µs'],
    [999, '999 µs'],
    [51_234, '51.2 ms'],
    [99_949, '99.9 ms'],
    [99_950, '100 ms'],
    [999_949, '1000 ms'],
    [999_950, '1.00 s'],
    [6_000_000, '6.00 s'],
    [30_000_000, '30.0 s'],
    [null, '-'],
  ])('shows %s µs as %s', (microseconds, shown) => {
    expect(latencyText(microseconds)).toBe(shown);
  });

  it.each([
    [1_250, 180, '+1.3 ms ±180 µs'],
    [-90_000_000, 2_000, '-90.0 s ±2.0 ms'],
    [40, null, '+40 µs ±?'],
    [null, null, '-'],
  ])(
    'shows a clock that is %s µs off, known to %s µs, as %s',
    (clockOffsetUs, clockOffsetUncertaintyUs, shown) => {
      expect(clockOffsetText({ clockOffsetUs, clockOffsetUncertaintyUs })).toBe(shown);
    },
  );

  it('shows times on the clock of the reader', () => {
    vi.stubEnv('TZ', 'Asia/Kolkata');
    expect(timeText('2026-01-31T20:15:30.123456Z')).toBe('2026-02-01 01:45:30.123');
    vi.stubEnv('TZ', 'America/New_York');
    expect(timeText('2026-01-31T20:15:30.123456Z')).toBe('2026-01-31 15:15:30.123');
  });

  it('puts IPv6 addresses into brackets before a port', () => {
    expect(endpointText({ address: '2001:db8::1', port: 443 })).toBe('[2001:db8::1]:443');
  });
});
