import { fromBinary } from '@bufbuild/protobuf';
import { HandshakeCursor } from '@synscope/probe-wire';
import { type Batch, ConnectRequestSchema, LossCause } from '@synscope/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SessionSet } from '../sessions/session-set.js';
import { handshakesPayload, type RecordValues } from '../testing/record-bytes.js';
import { encodeBatch } from './encode-batch.js';
import { escapedUtf8 } from './escaped-utf8.js';
import { type ContainerOf, HandshakeColumnsWriter } from './handshake-columns-writer.js';
import type { LossEntry } from './loss.js';

const UNKNOWN_U64 = 0xffffffffffffffffn;
const uint = (max: number) => fc.oneof(fc.integer({ min: 0, max }), fc.constantFrom(0, 127, 128, max));
const uint32 = uint(0xffffffff);
const uint16 = uint(0xffff);
const duration = fc.oneof(fc.bigInt({ min: 0n, max: 1n << 52n }), fc.constant(UNKNOWN_U64));
const address = fc.uint8Array({ minLength: 16, maxLength: 16 });
const processName = fc
  .oneof(
    fc.constantFrom('', 'nginx', 'curl').map((name) => Buffer.from(name)),
    fc.uint8Array({ maxLength: 15 }).map((bytes) => bytes.map((byte) => byte || 1)),
  )
  .map((bytes) => Uint8Array.from({ length: 16 }, (_, i) => bytes[i] ?? 0));

const record = fc.record({
  observedNs: fc.bigInt({ min: 0n, max: 1n << 56n }),
  latencyNs: duration,
  acceptWaitNs: duration,
  cgroupId: fc.oneof(fc.bigInt({ min: 0n, max: 20n }), fc.bigInt({ min: 0n, max: UNKNOWN_U64 })),
  localAddress: address,
  remoteAddress: address,
  clientIsn: uint32,
  serverIsn: uint32,
  srttUs: uint32,
  netns: uint32,
  pid: uint32,
  localPort: uint16,
  remotePort: uint16,
  synRetransmits: uint16,
  synAckRetransmits: uint16,
  flags: uint(0x3ff),
  role: fc.constantFrom(1, 2),
  outcome: fc.integer({ min: 1, max: 6 }),
  processName,
});

const sets: readonly SessionSet[] = [
  { sessionIds: [Buffer.alloc(16, 1)] },
  { sessionIds: [Buffer.alloc(16, 2), Buffer.alloc(16, 3)] },
  { sessionIds: Array.from({ length: 64 }, (_, i) => Buffer.alloc(16, i)) },
];
const containerOf: ContainerOf = (cgroupId) => (cgroupId % 3 === 0 ? null : `container-${cgroupId % 7}`);
const WALL_OFFSET_NS = 1_795_000_000_123_456_789n;

function decode(bytes: Buffer): Batch {
  const { message } = fromBinary(ConnectRequestSchema, bytes);
  if (message.case !== 'batch') throw new Error(`a ${message.case}, no batch`);
  return message.value;
}

function encode(
  writer: HandshakeColumnsWriter,
  rows: readonly (readonly [RecordValues, SessionSet])[],
): Batch {
  const cursor = new HandshakeCursor();
  cursor.reset(
    handshakesPayload(
      WALL_OFFSET_NS,
      rows.map(([values]) => values),
    ),
  );
  for (const [, set] of rows) {
    cursor.next();
    writer.append(cursor, set);
  }
  const batch = decode(encodeBatch(9, writer, []));
  writer.clear();
  return batch;
}

const plusOne = (value: number, unknown: number) => (value === unknown ? 0 : value + 1);
const microsecondsPlusOne = (ns: bigint) => (ns === UNKNOWN_U64 ? 0n : (ns + 500n) / 1000n + 1n);

describe('a batch', () => {
  it('holds exactly what the probe’s records say, as the generated decoder reads it', () => {
    // One writer for all runs, as in the agent: nothing of a batch may show in the next.
    const writer = new HandshakeColumnsWriter(2000, containerOf);
    const rows = fc.array(fc.tuple(record, fc.constantFrom(...sets)), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(rows, (list) => {
        const { seq, handshakes: columns } = encode(writer, list);
        expect(seq).toBe(9n);
        if (columns === undefined) throw new Error('no columns');
        expect(columns.rowCount).toBe(list.length);
        list.forEach(([values, set], i) => {
          const isn = (flag: number, value: number) =>
            (values.flags & flag) === 0 ? 0n : BigInt(value) + 1n;
          const nul = Buffer.from(values.processName).indexOf(0);
          const name = escapedUtf8(Buffer.from(values.processName.subarray(0, nul < 0 ? 16 : nul)));
          const container = values.cgroupId === 0n ? null : containerOf(Number(values.cgroupId), values.pid);
          expect({
            observedAtUs: columns.baseObservedAtUs + (columns.observedAtDeltaUs[i] ?? 0n),
            role: columns.role[i],
            outcome: columns.outcome[i],
            localAddress: [...columns.localAddress.subarray(16 * i, 16 * i + 16)],
            remoteAddress: [...columns.remoteAddress.subarray(16 * i, 16 * i + 16)],
            ports: [columns.localPort[i], columns.remotePort[i]],
            latency: columns.latencyUsPlusOne[i],
            acceptWait: columns.acceptWaitUsPlusOne[i],
            srtt: columns.srttUsPlusOne[i],
            retransmits: [columns.synRetransmitsPlusOne[i], columns.synAckRetransmitsPlusOne[i]],
            isns: [columns.clientIsnPlusOne[i], columns.serverIsnPlusOne[i]],
            netns: columns.netns[i],
            pid: columns.pid[i],
            cgroupId: columns.cgroupId[i],
            name: columns.processNames[(columns.processNameIndexPlusOne[i] ?? 0) - 1] ?? '',
            container: columns.containerIds[(columns.containerIdIndexPlusOne[i] ?? 0) - 1] ?? null,
            sessions: columns.sessionSets[columns.sessionSetIndex[i] ?? -1]?.sessionIds.map((id) =>
              Buffer.from(id),
            ),
            flags: columns.flags[i],
          }).toEqual({
            observedAtUs: (values.observedNs + WALL_OFFSET_NS) / 1000n,
            role: values.role,
            outcome: values.outcome,
            localAddress: [...values.localAddress],
            remoteAddress: [...values.remoteAddress],
            ports: [values.localPort, values.remotePort],
            latency: microsecondsPlusOne(values.latencyNs),
            acceptWait: microsecondsPlusOne(values.acceptWaitNs),
            srtt: plusOne(values.srttUs, 0xffffffff),
            retransmits: [plusOne(values.synRetransmits, 0xffff), plusOne(values.synAckRetransmits, 0xffff)],
            isns: [isn(256, values.clientIsn), isn(512, values.serverIsn)],
            netns: values.netns,
            pid: values.pid,
            cgroupId: values.cgroupId,
            name,
            container,
            sessions: set.sessionIds,
            flags: values.flags & 0xff,
          });
        });
        for (const column of Object.values(columns)) {
          if (Array.isArray(column) && typeof column[0] === 'number')
            expect(column).toHaveLength(list.length);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('holds 2,000 records of as many different processes at about 60 bytes each', () => {
    const writer = new HandshakeColumnsWriter(2000, containerOf);
    const rows = Array.from({ length: 2000 }, (_, i): [RecordValues, SessionSet] => [
      { processName: Buffer.from(`process-${i}`), pid: i, observedNs: BigInt(i) * 1_000_000n },
      { sessionIds: [Buffer.alloc(16)] },
    ]);
    const batch = encode(writer, rows);
    expect(batch.handshakes?.processNames).toEqual(rows.map((_, i) => `process-${i}`));
  });

  it('can carry loss alone', () => {
    const loss: LossEntry[] = [
      {
        cause: LossCause.RING_FULL,
        records: 7,
        fromUs: 1_795_000_000_000_000,
        untilUs: 1_795_000_000_500_000,
      },
    ];
    const batch = decode(encodeBatch(3, null, loss));
    expect(batch.seq).toBe(3n);
    expect(batch.handshakes).toBeUndefined();
    expect(batch.loss).toMatchObject([
      {
        cause: LossCause.RING_FULL,
        records: 7n,
        fromUs: 1_795_000_000_000_000n,
        untilUs: 1_795_000_000_500_000n,
      },
    ]);
  });
});

describe('escapedUtf8', () => {
  it.each([
    ['plain', Buffer.from('nginx'), 'nginx'],
    ['UTF-8', Buffer.from('naïve😀'), 'naïve😀'],
    ['Latin-1', Buffer.from('caf\xe9', 'latin1'), 'caf\\xe9'],
    ['a sequence that is cut off', Buffer.from('😀').subarray(0, 3), '\\xf0\\x9f\\x98'],
    ['an overlong NUL', Buffer.of(0xc0, 0x80), '\\xc0\\x80'],
  ])('keeps what is valid and escapes the rest: %s', (_title, bytes, text) => {
    expect(escapedUtf8(bytes)).toBe(text);
  });

  it('always makes text that UTF-8 can carry', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 16 }), (bytes) => {
        expect(escapedUtf8(Buffer.from(bytes)).isWellFormed()).toBe(true);
      }),
    );
  });
});
