import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HandshakeCursor } from './handshake-cursor.js';
import { structs } from './layout.js';
import { ProbeWireError } from './probe-wire-error.js';

const field = structs.handshake_record.fields;
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
/** Durations and clocks that a machine can have: up to 2^53 µs. */
const nanoseconds = fc.bigInt({ min: 0n, max: 1n << 60n });

function record(values: Partial<Record<keyof typeof field, bigint>>): Buffer {
  const bytes = Buffer.alloc(structs.handshake_record.size);
  for (const [name, value] of Object.entries(values)) {
    const { offset, size } = field[name as keyof typeof field];
    if (size === 8) bytes.writeBigUInt64LE(value, offset);
    else bytes.writeUIntLE(Number(value), offset, size);
  }
  return bytes;
}

function payload(wallOffsetNs: bigint, ...records: Buffer[]): Buffer {
  const header = Buffer.alloc(structs.records_header.size);
  header.writeBigInt64LE(wallOffsetNs, 0);
  return Buffer.concat([header, ...records]);
}

function firstOf(bytes: Buffer): HandshakeCursor {
  const cursor = new HandshakeCursor();
  cursor.reset(bytes);
  expect(cursor.next()).toBe(true);
  return cursor;
}

describe('HandshakeCursor', () => {
  it('reads every integer field as it was written', () => {
    const u32 = fc.bigInt({ min: 0n, max: 0xffffffffn });
    const u16 = fc.bigInt({ min: 0n, max: 0xffffn });
    const u8 = fc.bigInt({ min: 0n, max: 0xffn });
    const fields = fc.record({
      slots: u64,
      cgroup_id: u64,
      revision: u32,
      client_isn: u32,
      server_isn: u32,
      srtt_us: u32,
      netns: u32,
      pid: u32,
      local_port: u16,
      remote_port: u16,
      syn_retransmits: u16,
      syn_ack_retransmits: u16,
      flags: u16,
      role: u8,
      outcome: u8,
    });
    fc.assert(
      fc.property(fields, (values) => {
        const cursor = firstOf(payload(0n, record(values)));
        expect({
          slots: (BigInt(cursor.slotsHigh) << 32n) | BigInt(cursor.slotsLow),
          cgroup_id: (BigInt(cursor.cgroupIdHigh) << 32n) | BigInt(cursor.cgroupIdLow),
          revision: BigInt(cursor.revision),
          client_isn: BigInt(cursor.clientIsn),
          server_isn: BigInt(cursor.serverIsn),
          srtt_us: BigInt(cursor.srttUs),
          netns: BigInt(cursor.netns),
          pid: BigInt(cursor.pid),
          local_port: BigInt(cursor.localPort),
          remote_port: BigInt(cursor.remotePort),
          syn_retransmits: BigInt(cursor.synRetransmits),
          syn_ack_retransmits: BigInt(cursor.synAckRetransmits),
          flags: BigInt(cursor.flags),
          role: BigInt(cursor.role),
          outcome: BigInt(cursor.outcome),
        }).toEqual(values);
      }),
    );
  });

  it('turns the kernel’s clock into wall time exactly, cutting to the microsecond', () => {
    const wallOffset = fc.bigInt({ min: -(1n << 60n), max: 1n << 61n });
    fc.assert(
      fc.property(nanoseconds, wallOffset, (observed, offset) => {
        const sum = observed + offset;
        const cut = sum / 1000n - (sum % 1000n < 0n ? 1n : 0n);
        const cursor = firstOf(payload(offset, record({ observed_ns: observed })));
        expect(cursor.observedAtUs).toBe(Number(cut));
      }),
      { numRuns: 2000 },
    );
  });

  it('rounds durations to the nearest microsecond', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1n << 52n }), (duration) => {
        const cursor = firstOf(payload(0n, record({ latency_ns: duration, accept_wait_ns: duration })));
        expect(cursor.latencyUs).toBe(Number((duration + 500n) / 1000n));
        expect(cursor.acceptWaitUs).toBe(cursor.latencyUs);
      }),
    );
  });

  it('tells a duration that was not measured from a long one', () => {
    const cursor = firstOf(payload(0n, record({ latency_ns: 0xffffffffffffffffn, accept_wait_ns: 0n })));
    expect(cursor.latencyUs).toBe(-1);
    expect(cursor.acceptWaitUs).toBe(0);
  });

  it('walks over every record of a frame and serves the next frame', () => {
    const cursor = new HandshakeCursor();
    for (const count of [3, 0, 2]) {
      cursor.reset(payload(0n, ...Array.from({ length: count }, (_, i) => record({ pid: BigInt(i + 1) }))));
      expect(cursor.recordCount).toBe(count);
      const pids: number[] = [];
      while (cursor.next()) pids.push(cursor.pid);
      expect(pids).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    }
  });

  it('refuses a frame that holds no whole number of records', () => {
    const cursor = new HandshakeCursor();
    for (const bytes of [4, 8 + 127, 8 + 129]) {
      expect(() => cursor.reset(Buffer.alloc(bytes))).toThrow(ProbeWireError);
    }
  });
});
