import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configurePayloadSize, encodeConfigure } from './configure.js';
import { FRAME_PAYLOAD_MAX, PROBE_NAMES, ProbeNumber } from './constants.js';
import { type AddressPrefixSpec, MATCH_ALL, type SlotSpec, SlotSpecError } from './slot-spec.js';

const SLOT: SlotSpec = { ...MATCH_ALL, slot: 0, probes: ['tcp_handshake'] };

/** A reader of its own, written from bpf/probe_wire.h by plain numbers. Prefixes come back in their IPv6 form. */
function decode(frame: Buffer) {
  expect(frame.readUInt32LE(0)).toBe(frame.length - 8);
  expect(frame.readUInt16LE(4)).toBe(16);
  let at = 16;
  const slots = Array.from({ length: frame.readUInt32LE(12) }, () => {
    const start = at;
    at += 40;
    const count = (offset: number) => frame.readUInt16LE(start + offset);
    const take = <T>(offset: number, size: number, read: () => T): T[] =>
      Array.from({ length: count(offset) }, () => {
        const value = read();
        at += size;
        return value;
      });
    const numbers = (offset: number) => take(offset, 2, () => frame.readUInt16LE(at));
    const prefixes = (offset: number) =>
      take(offset, 17, () => ({
        length: frame[at],
        address: frame.subarray(at + 1, at + 17).toString('hex'),
      }));
    const names = (offset: number) =>
      take(offset, 0, () => {
        const length = frame.readUInt8(at);
        at += 1 + length;
        return frame.toString('latin1', at - length, at);
      });
    return {
      minLatencyNs: frame.readBigUInt64LE(start),
      sampleThreshold: frame.readUInt32LE(start + 8),
      slot: frame[start + 12],
      probes: frame[start + 13],
      roles: frame[start + 14],
      dnsSides: frame[start + 15],
      outcomes: count(16),
      dnsOutcomes: count(18),
      remotePorts: numbers(20),
      localPorts: numbers(22),
      remotePrefixes: prefixes(24),
      processNames: take(26, 16, () => frame.toString('utf8', at, at + 16).replace(/\0+$/, '')),
      dnsPorts: numbers(28),
      dnsServerPrefixes: prefixes(30),
      queryTypes: numbers(32),
      responseCodes: numbers(34),
      queryNames: names(36),
      queryNameSuffixes: names(38),
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
const prefixes = fc.array(prefix, { maxLength: 64 });
const label = fc.stringMatching(/^[a-z0-9_-]{1,63}$/);
const names = fc.array(
  fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.')),
  { maxLength: 64 },
);
const spec: fc.Arbitrary<SlotSpec> = fc.record({
  slot: fc.integer({ min: 0, max: 63 }),
  minLatencyNs: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  sampleThreshold: fc.integer({ min: 0, max: 0xffffffff }),
  roles: fc.uniqueArray(fc.constantFrom(1, 2)),
  outcomes: fc.uniqueArray(fc.integer({ min: 1, max: 6 })),
  remotePorts: ports,
  localPorts: ports,
  remotePrefixes: prefixes,
  processNames: fc.array(fc.stringMatching(/^[a-z/]{1,15}$/), { maxLength: 32 }),
  probes: fc.uniqueArray(fc.constantFrom(...PROBE_NAMES), { minLength: 1 }),
  dnsSides: fc.uniqueArray(fc.constantFrom(1, 2)),
  dnsOutcomes: fc.uniqueArray(fc.integer({ min: 1, max: 3 })),
  dnsPorts: fc.array(fc.integer({ min: 1, max: 65535 }), { maxLength: 8 }),
  dnsServerPrefixes: prefixes,
  queryTypes: fc.array(fc.integer({ min: 0, max: 65535 }), { maxLength: 32 }),
  responseCodes: fc.array(fc.integer({ min: 0, max: 4095 }), { maxLength: 32 }),
  queryNames: names,
  queryNameSuffixes: names,
});

function written({ address, length }: AddressPrefixSpec) {
  const hex = Buffer.from(address).toString('hex');
  return address.length === 4
    ? { length: length + 96, address: `00000000000000000000ffff${hex}` }
    : { length, address: hex };
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
            probes: maskOf(s.probes.map((probe) => ProbeNumber[probe])),
            roles: maskOf(s.roles),
            outcomes: maskOf(s.outcomes),
            dnsSides: maskOf(s.dnsSides),
            dnsOutcomes: maskOf(s.dnsOutcomes),
            remotePrefixes: s.remotePrefixes.map(written),
            dnsServerPrefixes: s.dnsServerPrefixes.map(written),
          })),
        });
      }),
    );
  });

  it('fits 64 slots with every list full, the query names of a usual length', () => {
    const full = Array.from(
      { length: 64 },
      (_, slot): SlotSpec => ({
        ...SLOT,
        slot,
        remotePorts: Array.from({ length: 64 }, (_, i) => i + 1),
        localPorts: Array.from({ length: 64 }, (_, i) => i + 1),
        remotePrefixes: Array.from({ length: 64 }, (_, i) => ({
          address: Uint8Array.of(10, i, 0, 0),
          length: 16,
        })),
        processNames: Array.from({ length: 32 }, (_, i) => `process-${i}`),
        queryNames: Array.from({ length: 64 }, (_, i) => `${i}.some-service.example.com`),
        queryNameSuffixes: Array.from({ length: 64 }, (_, i) => `${i}.some-service.example.com`),
      }),
    );
    expect(decode(encodeConfigure(1, full)).slots).toHaveLength(64);
  });

  it('refuses names that are too long for one frame together, and says beforehand how many bytes they need', () => {
    const long = Array.from({ length: 64 }, (_, i) => `${'x'.repeat(60)}.`.repeat(4).concat(`${i}`));
    const slots = Array.from({ length: 64 }, (_, slot) => ({ ...SLOT, slot, queryNames: long }));
    const encodable = slots.slice(0, 60);
    expect(encodeConfigure(1, encodable)).toHaveLength(8 + configurePayloadSize(encodable));
    const all = slots.map((slot) => ({ ...slot, queryNameSuffixes: long }));
    expect(configurePayloadSize(all)).toBeGreaterThan(FRAME_PAYLOAD_MAX);
    expect(() => encodeConfigure(1, all)).toThrow(/^slots need \d+ bytes, too long/);
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
    ['probes', { probes: [] }, /needs at least one/],
    ['dnsSides[0]', { dnsSides: [3] }, /within 1–2/],
    ['dnsOutcomes[0]', { dnsOutcomes: [4] }, /within 1–3/],
    ['dnsPorts', { dnsPorts: new Array(9).fill(53) }, /at most 8/],
    [
      'dnsServerPrefixes[0].length',
      { dnsServerPrefixes: [{ address: new Uint8Array(4), length: 33 }] },
      /–32/,
    ],
    ['queryTypes[0]', { queryTypes: [65536] }, /within 0–65535/],
    ['responseCodes[0]', { responseCodes: [4096] }, /within 0–4095/],
    ['queryNames', { queryNames: new Array(65).fill('a') }, /at most 64/],
    ['queryNames[0]', { queryNames: ['Example.com'] }, /no domain name in lower case/],
    ['queryNames[0]', { queryNames: ['example.com.'] }, /no domain name/],
    ['queryNames[0]', { queryNames: [''] }, /no domain name/],
    ['queryNameSuffixes[0]', { queryNameSuffixes: ['x'.repeat(64)] }, /labels of 1–63/],
    ['queryNameSuffixes[0]', { queryNameSuffixes: ['x.'.repeat(127)] }, /254 characters; .* at most 253/],
  ])('refuses a bad %s and says why', (field, change, problem) => {
    const encode = () => encodeConfigure(1, [{ ...SLOT, ...change }]);
    expect(encode).toThrow(SlotSpecError);
    expect(encode).toThrow(problem);
    expect(encode).toThrow(field);
  });

  it('refuses two sessions in one slot', () => {
    expect(() => encodeConfigure(1, [SLOT, SLOT])).toThrow(/given twice/);
  });
});
