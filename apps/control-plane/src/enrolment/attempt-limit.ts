import { isIPv6 } from 'node:net';

/** Failures of one address that are let pass, and how fast they are forgotten. */
const FAILURES_ALLOWED = 20;
const FORGOTTEN_PER_SECOND = 1 / 3;

/** Addresses kept in mind; beyond it the one that failed longest ago is forgotten. */
const MAX_ADDRESSES = 10_000;

interface Failures {
  readonly count: number;
  readonly atMs: number;
}

/**
 * Slows down who guesses join tokens. Only failures count, so that a fleet may enrol from behind one address; an IPv6 host has a /64 to
 * itself, so that counts as one.
 */
export class AttemptLimit {
  private readonly failures = new Map<string, Failures>();

  constructor(private readonly nowMs: () => number = Date.now) {}

  allows(address: string): boolean {
    return this.current(subject(address)) < FAILURES_ALLOWED;
  }

  failed(address: string): void {
    const key = subject(address);
    const count = this.current(key) + 1;
    // Deleted first, so that the order in the map is that of the last failure.
    this.failures.delete(key);
    this.failures.set(key, { count, atMs: this.nowMs() });
    const oldest = this.failures.keys().next().value;
    if (this.failures.size > MAX_ADDRESSES && oldest !== undefined) this.failures.delete(oldest);
  }

  private current(key: string): number {
    const found = this.failures.get(key);
    if (found === undefined) return 0;
    const forgotten = ((this.nowMs() - found.atMs) / 1_000) * FORGOTTEN_PER_SECOND;
    return Math.max(0, found.count - forgotten);
  }
}

function subject(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter((group) => group !== '');
  const missing =
    tail === undefined ? 0 : 8 - groups.length - tail.split(':').filter((group) => group !== '').length;
  return [...groups, ...Array<string>(missing).fill('0')].slice(0, 4).join(':');
}
