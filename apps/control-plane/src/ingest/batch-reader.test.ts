import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Batch, BatchSchema, HandshakeColumnsSchema, LossCause, Probe } from '@synscope/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dnsQueryRecord } from '../testing/dns-query-record.js';
import { batchBytes, batchOf, type HandshakeRecord, handshakeRecord } from '../testing/handshake-batch.js';
import { nameLookupRecord } from '../testing/name-lookup-record.js';
import { batchContentsArbitrary, recordBatch, recordBatchBytes } from '../testing/record-batch.js';
import { BatchReader } from './batch-reader.js';
import { BatchRefusedError } from './batch-refused.error.js';
import type { RecordColumns } from './record-columns.js';
import { RowWriter } from './row-writer.js';

const now = 1_790_000_000_000_000;
const bounds = { earliestUs: now - 7 * 86_400_000_000, latestUs: now + 300_000_000 };
const record = (changes: Partial<HandshakeRecord> = {}) => handshakeRecord({ observedAtUs: now, ...changes });
const contentsArbitrary = batchContentsArbitrary(bounds.earliestUs, bounds.latestUs, 6);

type Columns = NonNullable<ReturnType<typeof batchOf>['handshakes']>;

describe('a batch reader', () => {
  it('reads what protobuf-es wrote, value by value, of every kind', () => {
    const reader = new BatchReader();
    fc.assert(
      fc.property(contentsArbitrary, fc.maxSafeNat(), (contents, seq) => {
        const batch = recordBatch(seq + 1 > Number.MAX_SAFE_INTEGER ? 1 : seq + 1, contents);
        reader.read(toBinary(BatchSchema, batch), bounds);
        expect(reader.seq).toBe(Number(batch.seq));
        for (const columns of reader.columns) expectSame(columns, sentColumns(batch, columns));
      }),
    );
  });

  it('takes columns that are not packed, and those in several pieces', () => {
    const whole = batchOf(1, [record({ localPort: 1 }), record({ localPort: 300 })]);
    const columns = toBinary(HandshakeColumnsSchema, { ...(whole.handshakes as Columns), localPort: [1] });
    // Field 8, one value, as a plain varint: 300.
    const bytes = embed(Buffer.concat([columns, Uint8Array.of(8 << 3, 0xac, 0x02)]));
    const reader = new BatchReader();
    reader.read(bytes, bounds);
    const localPort = handshakesOf(reader).numbers.find(({ range }) => range.name === 'local_port');
    expect([...(localPort?.values.subarray(0, 2) ?? [])]).toEqual([1, 300]);
  });

  it('passes over fields that it does not know', () => {
    const columns = toBinary(HandshakeColumnsSchema, batchOf(1, [record()]).handshakes as Columns);
    const unknown = Uint8Array.of(
      0xa2,
      0x06,
      2,
      1,
      2,
      0xa8,
      0x06,
      5,
      0xad,
      0x06,
      1,
      2,
      3,
      4,
      0xa9,
      0x06,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
    );
    const reader = new BatchReader();
    reader.read(embed(Buffer.concat([unknown, columns, unknown])), bounds);
    expect(handshakesOf(reader).rowCount).toBe(1);
  });

  it('takes a batch that carries loss only, and one that carries nothing', () => {
    const reader = new BatchReader();
    const loss = { cause: LossCause.RING_FULL, records: 12, fromUs: now - 1_000, untilUs: now };
    reader.read(batchBytes(3, [], [loss]), bounds);
    expect([reader.seq, rowCountsOf(reader), reader.loss]).toEqual([
      3,
      [0, 0, 0, 0, 0],
      [{ ...loss, probe: Probe.TCP_HANDSHAKE }],
    ]);
    reader.read(batchBytes(4, []), bounds);
    expect([reader.seq, rowCountsOf(reader), reader.loss]).toEqual([4, [0, 0, 0, 0, 0], []]);
  });

  it('forgets what it read of a batch when it reads the next, also after a refusal', () => {
    const reader = new BatchReader();
    const dnsQueries = [dnsQueryRecord({ observedAtUs: now })];
    const bad = recordBatchBytes(1, { dnsQueries, handshakes: [record({ remotePort: 70_000 })] });
    expect(() => reader.read(bad, bounds)).toThrow(BatchRefusedError);
    reader.read(recordBatchBytes(2, { nameLookups: [nameLookupRecord({ observedAtUs: now })] }), bounds);
    expect(rowCountsOf(reader)).toEqual([0, 0, 1, 0, 0]);
    reader.read(recordBatchBytes(3, { dnsQueries }), bounds);
    expect(rowCountsOf(reader)).toEqual([0, 1, 0, 0, 0]);
  });

  it('takes loss of each probe, and that of agents that name none as loss of handshakes', () => {
    const reader = new BatchReader();
    const loss = { cause: LossCause.RING_FULL, records: 1, fromUs: now, untilUs: now };
    const tcpStream = { ...loss, cause: LossCause.TCP_STREAM, probe: Probe.DNS };
    reader.read(batchBytes(1, [], [loss, tcpStream, { ...loss, probe: Probe.NAME_LOOKUP }]), bounds);
    expect(reader.loss.map(({ cause, probe }) => [cause, probe])).toEqual([
      [1, Probe.TCP_HANDSHAKE],
      [9, Probe.DNS],
      [1, Probe.NAME_LOOKUP],
    ]);
  });

  it('neither crashes nor hangs on mutated, cut or random bytes', () => {
    const reader = new BatchReader();
    const writer = new RowWriter();
    const id = new Uint8Array(16);
    const mutated = fc
      .tuple(
        contentsArbitrary.map((contents) => recordBatchBytes(7, contents)),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }),
        fc.option(fc.nat()),
      )
      .map(([bytes, changes, cut]) => {
        const copy = Uint8Array.from(bytes);
        for (const [at, value] of changes) copy[at % copy.length] = value;
        return cut === null ? copy : copy.subarray(0, cut % (copy.length + 1));
      });
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        try {
          reader.read(bytes, bounds);
        } catch (error) {
          expect(error).toBeInstanceOf(BatchRefusedError);
          return;
        }
        taken++;
        // Whatever is taken means the same to the reference decoder, and can be written.
        const reference = fromBinary(BatchSchema, bytes);
        expect(reader.seq).toBe(Number(reference.seq));
        for (const columns of reader.columns) {
          expect(columns.rowCount).toBe(sentColumns(reference, columns)?.rowCount ?? 0);
          if (columns.storedCount > 0) writer.write(columns, { agentId: id, bootId: id, seq: reader.seq });
        }
      }),
      { numRuns: 3_000 },
    );
    expect(taken).toBeGreaterThan(0);
  });
});

/** A batch with seq 1 around columns in their wire form. */
function embed(columns: Uint8Array): Uint8Array {
  const empty = toBinary(BatchSchema, create(BatchSchema, { seq: 1n }));
  const length = Uint8Array.of((columns.length & 0x7f) | 0x80, columns.length >> 7);
  return Buffer.concat([empty, Uint8Array.of(0x12), length, columns]);
}

function handshakesOf(reader: BatchReader): RecordColumns {
  const found = reader.columns.find(({ kind }) => kind.table === 'handshake');
  if (!found) throw new Error('no columns for handshakes');
  return found;
}

function rowCountsOf(reader: BatchReader): number[] {
  return reader.columns.map(({ rowCount }) => rowCount);
}

/** The columns as protobuf-es has them; undefined if the batch has none of this kind. */
function sentColumns(batch: Batch, { kind }: RecordColumns): { rowCount: number } | undefined {
  return Reflect.get(batch, camelCase(kind.name));
}

function expectSame(columns: RecordColumns, sent: { rowCount: number } | undefined): void {
  expect(columns.rowCount).toBe(sent?.rowCount ?? 0);
  if (!sent) return;
  const ofName = (name: string) => Reflect.get(sent, camelCase(name));
  const { numbers, observedAtDelta, processNameIndex, containerIdIndex, sessionSetIndex, nameIndex, kind } =
    columns;
  for (const column of [
    observedAtDelta,
    ...numbers,
    processNameIndex,
    containerIdIndex,
    sessionSetIndex,
    nameIndex,
  ]) {
    if (column)
      expect([...column.values.subarray(0, column.count)]).toEqual(ofName(column.range.name).map(Number));
  }
  kind.addresses.forEach(({ name }, index) => {
    expect(Buffer.from(ofName(name)).equals(columns.addresses[index] ?? Buffer.alloc(0))).toBe(true);
  });
  const texts = (bytes: readonly Uint8Array[]) => bytes.map((text) => Buffer.from(text).toString());
  expect(texts(columns.processNames)).toEqual(ofName('process_names'));
  expect(texts(columns.containerIds)).toEqual(ofName('container_ids'));
  if (kind.names) expect(texts(columns.names)).toEqual(ofName(kind.names.name));
  const hex = (sets: readonly (readonly Uint8Array[])[]) =>
    sets.map((set) => set.map((id) => Buffer.from(id).toString('hex')));
  expect(hex(columns.sessionSets)).toEqual(
    hex(ofName('session_sets').map((set: { sessionIds: Uint8Array[] }) => set.sessionIds)),
  );
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
