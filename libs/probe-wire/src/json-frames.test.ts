import { describe, expect, it } from 'vitest';
import { parseConfigured, parseHello, parseStats } from './json-frames.js';

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('JSON frames', () => {
  it('accept a wall offset beyond 2^53 nanoseconds', () => {
    const stats = {
      monotonicNs: 1e15,
      wallOffsetNs: 1.795e18,
      offered: 3,
      emitted: 2,
      loss: { ringFull: 1, pendingTableFull: 0, unfinishedAtDetach: 0 },
      bpf: { runTimeNs: null, runCount: null, sampledNs: null },
      residentBytes: 3_000_000,
      cpuUs: 12_000,
    };
    expect(parseStats(json(stats))).toEqual(stats);
  });

  it('name the field that is wrong', () => {
    const configured = { revision: 1, attached: true, hooks: [], errors: [{ slot: 64, message: 'x' }] };
    expect(() => parseConfigured(json(configured))).toThrow(/CONFIGURED.*errors\.0\.slot/);
  });

  it('ignore fields that a newer probe adds', () => {
    const hello = { wireVersion: 1, version: '1', kernel: '6.18', architecture: 'x86_64', capabilities: [] };
    expect(parseHello(json({ ...hello, later: true }))).toEqual(hello);
  });

  it('refuse what is not JSON', () => {
    expect(() => parseHello(Buffer.from('{'))).toThrow(/HELLO frame is not JSON/);
  });
});
