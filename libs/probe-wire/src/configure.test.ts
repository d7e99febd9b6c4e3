import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeConfigure, type SlotSpec, SlotSpecError } from './configure.js';

const MATCH_ALL: SlotSpec = {
  slot: 0,
  minLatencyNs: 0n,
  sampleThreshold: 0xffffffff,
  roles: [],
  outcomes: [],
  remotePorts: [],
  localPorts: [],
  remotePrefixes: [],
  processNames: [],
};

/** A reader of its own, written from bpf/probe_wire.h by plain numbers. Prefixes come back in their IPv6 form. */
function decode(frame: Buffer) {
  expect(frame.readUInt32LE(0)).toBe(frame.length - 8);
  expect(frame.readUInt16LE(4)).toBe(16);
  let at = 16;
  const slots = Array.from({ length: frame.readUInt32LE(12) }, () => {
    const start = at;
    at += 24;
    const take = <T>(count: number, size: number, read: () => T): T[] =>
      Array.from({ length: count }, () => {
        const value = read();
        at += size;
        return value;
      });
    return {
      slot: frame[start + 12],
      minLatencyNs: frame.readBigUInt64LE(start),
      sampleThreshold: frame.readUInt32LE(start + 8),
      roles: frame[start + 13],
      outcomes: frame.readUInt16LE(start + 14),
      remotePorts: take(frame.readUInt16LE(start + 16), 2, () => frame.readUInt16LE(at)),
      localPorts: take(frame.readUInt16LE(start + 18), 2, () => frame.readUInt16LE(at)),
      remotePrefixes: take(frame.readUInt16LE(start + 20), 17, () => ({
        length: frame[at],
        address: frame.subarray(at + 1, at + 17).toString('hex'),
      })),
      processNames: take(frame.readUInt16LE(start + 22), 16, () =>
        frame.toString('utf8', at, at + 16).replace(/\0+$/, ''),
      ),
    };
  });
  expect(at).toBe(frame.length);
  return { revision: frame.readUInt32LE(8), slots };
}

const maskOf = (values: readonly number[]) => values.reduce((mask, value) => mask | (1 << (value - 1)), 0);
const ports = fc.array(fc.integer({ min: 1, max: 65535 }), { maxLength: 64 });
const prefix = fc.constantFrom(4, 16).chain((bytes) =>
  fc
    .record({
      address: fc.uint8Array({ minLength: bytes, maxLength: bytes }),
      length: fc.integer({ min: 0, max: bytes * 8 }),
    })
    .map(({ address, length }) => ({
      length,
      address: address.map((byte, i) => byte & ~(0xff >> Math.min(8, Math.max(0, length - i * 8)))),
    })),
);
const spec: fc.Arbitrary<SlotSpec> = fc.record({
  slot: fc.integer({ min: 0, max: 63 }),
  minLatencyNs: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  sampleThreshold: fc.integer({ min: 0, max: 0xffffffff }),
  roles: fc.uniqueArray(fc.constantFrom(1, 2)),
  outcomes: fc.uniqueArray(fc.integer({ min: 1, max: 6 })),
  remotePorts: ports,
  localPorts: ports,
  remotePrefixes: fc.array(prefix, { maxLength: 64 }),
  processNames: fc.array(fc.stringMatching(/^[a-z/]{1,15}$/), { maxLength: 32 }),
});

function mapped(address: Uint8Array): string {
  const hex = Buffer.from(address).toString('hex');
  return address.length === 4 ? `00000000000000000000ffff${hex}` : hex;
}

describe('encodeConfigure', () => {
  it('writes what a reader of the C header reads', () => {
    const slots = fc.uniqueArray(spec, { selector: (s) => s.slot, maxLength: 8 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), slots, (revision, specs) => {
        expect(decode(encodeConfigure(revision, specs))).toEqual({
          revision,
          slots: specs.map((s) => ({
            ...s,
            roles: maskOf(s.roles),
            outcomes: maskOf(s.outcomes),
            remotePrefixes: s.remotePrefixes.map((p) => ({
              length: p.address.length === 4 ? p.length + 96 : p.length,
              address: mapped(p.address),
            })),
          })),
        });
      }),
    );
  });

  it('fits 64 slots with every list full', () => {
    const full = Array.from(
      { length: 64 },
      (_, slot): SlotSpec => ({
        ...MATCH_ALL,
        slot,
        remotePorts: Array.from({ length: 64 }, (_, i) => i + 1),
        localPorts: Array.from({ length: 64 }, (_, i) => i + 1),
        remotePrefixes: Array.from({ length: 64 }, (_, i) => ({
          address: Uint8Array.of(10, i, 0, 0),
          length: 16,
        })),
        processNames: Array.from({ length: 32 }, (_, i) => `process-${i}`),
      }),
    );
    expect(decode(encodeConfigure(1, full)).slots).toHaveLength(64);
  });

  it.each<[string, Partial<SlotSpec>, RegExp]>([
    ['slot', { slot: 64 }, /^slot is 64/],
    ['roles[0]', { roles: [3] }, /within 1–2/],
    ['outcomes[1]', { outcomes: [1, 7] }, /within 1–6/],
    ['remotePorts[0]', { remotePorts: [0] }, /within 1–65535/],
    ['localPorts', { localPorts: new Array(65).fill(1) }, /65 entries; at most 64/],
    ['minLatencyNs', { minLatencyNs: -1n }, /not within/],
    ['sampleThreshold', { sampleThreshold: 1.5 }, /not an integer/],
    [
      'remotePrefixes[0].length',
      { remotePrefixes: [{ address: new Uint8Array(4), length: 33 }] },
      /within 0–32/,
    ],
    [
      'remotePrefixes[0].address',
      { remotePrefixes: [{ address: Uint8Array.of(10, 0, 0, 1), length: 8 }] },
      /beyond its length/,
    ],
    ['remotePrefixes[0].address', { remotePrefixes: [{ address: new Uint8Array(5), length: 8 }] }, /5 bytes/],
    ['processNames[0]', { processNames: ['sixteen-bytes-on'] }, /1–15/],
    ['processNames[0]', { processNames: [''] }, /1–15/],
    ['processNames', { processNames: new Array(33).fill('a') }, /at most 32/],
  ])('refuses a bad %s and says why', (field, change, problem) => {
    const encode = () => encodeConfigure(1, [{ ...MATCH_ALL, ...change }]);
    expect(encode).toThrow(SlotSpecError);
    expect(encode).toThrow(problem);
    expect(encode).toThrow(field);
  });

  it('refuses two sessions in one slot', () => {
    expect(() => encodeConfigure(1, [MATCH_ALL, MATCH_ALL])).toThrow(/given twice/);
  });
});
