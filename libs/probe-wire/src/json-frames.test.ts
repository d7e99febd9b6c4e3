import { describe, expect, it } from 'vitest';
import { parseConfigured, parseHello, parseStats } from './json-frames.js';

const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('JSON frames', () => {
  it('accept a wall offset beyond 2^53 nanoseconds', () => {
    const loss = { ringFull: 1, pendingTableFull: 0, unfinishedAtDetach: 0 };
    const stats = {
      monotonicNs: 1e15,
      wallOffsetNs: 1.795e18,
      probes: {
        tcp_handshake: { offered: 3, emitted: 2, loss },
        dns: {
          offered: 3,
          emitted: 2,
          loss: { ...loss, tcpStream: 4 },
          ignored: { malformed: 1, unsolicited: 2 },
        },
        listener: { offered: 3, emitted: 2, loss },
        name_lookup: { offered: 3, emitted: 2, loss },
      },
      bpf: { runTimeNs: null, runCount: null, sampledNs: null },
      residentBytes: 3_000_000,
      cpuUs: 12_000,
    };
    expect(parseStats(json(stats))).toEqual(stats);
  });

  it('name the hooks of the probes that are attached, and the probe of an error', () => {
    const configured = {
      revision: 1,
      attached: true,
      hooks: { dns: ['cgroup_skb/egress'] },
      errors: [{ slot: null, probe: 'name_lookup', message: 'no C library' }],
    };
    expect(parseConfigured(json(configured))).toEqual(configured);
  });

  it.each([
    [{ errors: [{ slot: 64, probe: null, message: 'x' }] }, /CONFIGURED.*errors\.0\.slot/],
    [{ errors: [{ slot: null, probe: 'latency', message: 'x' }] }, /CONFIGURED.*errors\.0\.probe/],
    [{ hooks: ['x'] }, /CONFIGURED.*hooks/],
  ])('name the field that is wrong: %j', (change, problem) => {
    const configured = { revision: 1, attached: true, hooks: {}, errors: [], ...change };
    expect(() => parseConfigured(json(configured))).toThrow(problem);
  });

  it('ignore fields that a newer probe adds', () => {
    const hello = { wireVersion: 2, version: '1', kernel: '6.18', architecture: 'x86_64', capabilities: [] };
    expect(parseHello(json({ ...hello, later: true }))).toEqual(hello);
  });

  it('refuse what is not JSON', () => {
    expect(() => parseHello(Buffer.from('{'))).toThrow(/HELLO frame is not JSON/);
  });
});
