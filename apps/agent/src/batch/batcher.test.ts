import { fromBinary } from '@bufbuild/protobuf';
import { DnsQueryCursor, FrameType } from '@synscope/probe-wire';
import { type Batch, ConnectRequestSchema, LossCause, Probe } from '@synscope/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { RecordFrameReader } from '../probe/record-frame.js';
import { ManualClock } from '../testing/manual-clock.js';
import {
  dnsQueriesPayload,
  handshakesPayload,
  nameLookupsPayload,
  receiveQueueDropsPayload,
} from '../testing/record-bytes.js';
import { BATCH_MAX_RECORDS, BATCH_MAX_WAIT_MS, Batcher } from './batcher.js';
import type { TextOf } from './byte-dictionary.js';
import { MemoryBatchBuffer } from './memory-batch-buffer.js';

const sessions = { sessionIds: [Buffer.alloc(16, 1)] };

let clock: ManualClock;
let announced: number;
beforeEach(() => {
  clock = new ManualClock();
  announced = 0;
});

function batcherInto(buffer: MemoryBatchBuffer): Batcher {
  return new Batcher(
    buffer,
    clock,
    { containerOf: () => null, queryNameOf: asHex, lookupNameOf: asHex, netnsCountersOf: () => undefined },
    () => {
      announced++;
    },
  );
}

const asHex: TextOf = (bytes, start, end) => bytes.toString('hex', start, end);

const reader = new RecordFrameReader();

function appendFrame(batcher: Batcher, type: number, payload: Buffer): void {
  const frame = reader.read(type, payload);
  if (frame === undefined) throw new Error(`no records in frames of type ${type}`);
  while (frame.cursor.next()) batcher.append(frame, sessions);
}

function append(batcher: Batcher, count: number): void {
  const records = Array.from({ length: count }, (_, i) => ({ observed_ns: i * 1000 }));
  appendFrame(batcher, FrameType.handshakes, handshakesPayload(0n, records));
}

function take(buffer: MemoryBatchBuffer): Batch | undefined {
  const batch = buffer.take();
  if (batch === undefined) return undefined;
  const { message } = fromBinary(ConnectRequestSchema, batch.bytes);
  return message.case === 'batch' ? message.value : undefined;
}

describe('Batcher', () => {
  it('closes a batch when it is full, without waiting', () => {
    const buffer = new MemoryBatchBuffer(1e7);
    append(batcherInto(buffer), BATCH_MAX_RECORDS * 2 + 1);
    expect([take(buffer), take(buffer), take(buffer)].map((batch) => batch?.handshakes?.rowCount)).toEqual([
      BATCH_MAX_RECORDS,
      BATCH_MAX_RECORDS,
      undefined,
    ]);
    expect(announced).toBe(2);
  });

  it('closes a batch a moment after its first record', () => {
    const buffer = new MemoryBatchBuffer(1e7);
    const batcher = batcherInto(buffer);
    append(batcher, 1);
    clock.advance(BATCH_MAX_WAIT_MS - 1);
    append(batcher, 1);
    expect(take(buffer)).toBeUndefined();
    clock.advance(1);
    expect(take(buffer)?.handshakes?.rowCount).toBe(2);
    expect(clock.timers).toBe(0);
  });

  it('sends loss with the records that it waits for, or alone, one entry per probe and cause', () => {
    const buffer = new MemoryBatchBuffer(1e7);
    const batcher = batcherInto(buffer);
    batcher.addLoss({
      cause: LossCause.RING_FULL,
      probe: 'tcp_handshake',
      records: 2,
      fromUs: 10,
      untilUs: 20,
    });
    batcher.addLoss({
      cause: LossCause.RING_FULL,
      probe: 'tcp_handshake',
      records: 3,
      fromUs: 5,
      untilUs: 15,
    });
    batcher.addLoss({ cause: LossCause.RING_FULL, probe: 'dns', records: 4, fromUs: 1, untilUs: 2 });
    append(batcher, 1);
    clock.advance(BATCH_MAX_WAIT_MS);
    expect(take(buffer)).toMatchObject({
      handshakes: { rowCount: 1 },
      loss: [
        { cause: LossCause.RING_FULL, probe: Probe.TCP_HANDSHAKE, records: 5n, fromUs: 5n, untilUs: 20n },
        { cause: LossCause.RING_FULL, probe: Probe.DNS, records: 4n },
      ],
    });
    batcher.addLoss({
      cause: LossCause.RING_FULL,
      probe: 'tcp_handshake',
      records: 0,
      fromUs: 1,
      untilUs: 2,
    });
    clock.advance(BATCH_MAX_WAIT_MS);
    expect(take(buffer)).toBeUndefined();
  });

  it('puts records of every kind into one batch, and counts them together', () => {
    const buffer = new MemoryBatchBuffer(1e7);
    const batcher = batcherInto(buffer);
    append(batcher, 2);
    appendFrame(batcher, FrameType.dnsQueries, dnsQueriesPayload(0n, [{ pid: 3 }]));
    appendFrame(batcher, FrameType.nameLookups, nameLookupsPayload(0n, [{ pid: 4 }]));
    appendFrame(batcher, FrameType.receiveQueueDrops, receiveQueueDropsPayload(0n, [{ pid: 5, drops: 6 }]));
    clock.advance(BATCH_MAX_WAIT_MS);
    expect(take(buffer)).toMatchObject({
      handshakes: { rowCount: 2 },
      dnsQueries: { rowCount: 1, pid: [3] },
      nameLookups: { rowCount: 1, pid: [4] },
      receiveQueueDrops: { rowCount: 1, pid: [5], drops: [6n] },
    });
    append(batcher, BATCH_MAX_RECORDS - 1);
    appendFrame(batcher, FrameType.dnsQueries, dnsQueriesPayload(0n, [{}]));
    expect(take(buffer)).toMatchObject({
      handshakes: { rowCount: BATCH_MAX_RECORDS - 1 },
      dnsQueries: { rowCount: 1 },
    });
  });

  it('stays below what the control plane takes, however long the names and the sets of sessions', () => {
    const buffer = new MemoryBatchBuffer(1e8);
    const batcher = batcherInto(buffer);
    const cursor = new DnsQueryCursor();
    for (let i = 0; i < BATCH_MAX_RECORDS; i++) {
      const name = Buffer.alloc(255, 0xff);
      name.writeUInt32LE(i);
      const process_name = Buffer.alloc(16, 0xff);
      process_name.writeUInt32LE(i + 1);
      cursor.reset(dnsQueriesPayload(0n, [{ name, process_name }]));
      cursor.next();
      batcher.append(
        { kind: 'dns_queries', cursor },
        { sessionIds: Array.from({ length: 64 }, () => Buffer.alloc(16)) },
      );
    }
    batcher.flush();
    let rows = 0;
    for (let batch = buffer.take(); batch !== undefined; batch = buffer.take()) {
      expect(batch.bytes.length).toBeLessThan(1024 * 1024);
      const { message } = fromBinary(ConnectRequestSchema, batch.bytes);
      rows += message.case === 'batch' ? (message.value.dnsQueries?.rowCount ?? 0) : 0;
    }
    expect(rows).toBe(BATCH_MAX_RECORDS);
  });

  it('counts what it gives up by probe; what the host dropped itself is in no count', () => {
    const buffer = new MemoryBatchBuffer(1);
    const batcher = batcherInto(buffer);
    batcher.addLoss({ cause: LossCause.RING_FULL, probe: 'dns', records: 1, fromUs: 1, untilUs: 2 });
    batcher.flush();
    append(batcher, 2);
    appendFrame(batcher, FrameType.dnsQueries, dnsQueriesPayload(0n, [{}, {}, {}]));
    appendFrame(batcher, FrameType.receiveQueueDrops, receiveQueueDropsPayload(0n, [{}]));
    batcher.flush();
    take(buffer);
    buffer.acknowledge(1);
    clock.advance(BATCH_MAX_WAIT_MS);
    expect(take(buffer)?.loss).toMatchObject([
      { cause: LossCause.AGENT_BUFFER_FULL, probe: Probe.TCP_HANDSHAKE, records: 2n },
      { cause: LossCause.AGENT_BUFFER_FULL, probe: Probe.DNS, records: 3n },
    ]);
  });

  it('counts records as lost instead of adding batches to a buffer that is full of loss', () => {
    // Over its cap with a single entry, which holds nothing that could be given up.
    const buffer = new MemoryBatchBuffer(1);
    const batcher = batcherInto(buffer);
    batcher.addLoss({
      cause: LossCause.RING_FULL,
      probe: 'tcp_handshake',
      records: 1,
      fromUs: 1,
      untilUs: 2,
    });
    batcher.flush();
    append(batcher, 3);
    batcher.flush();
    append(batcher, 4);
    batcher.flush();
    expect(buffer.nextSeq).toBe(2);
    expect(take(buffer)?.seq).toBe(1n);
    buffer.acknowledge(1);
    clock.advance(BATCH_MAX_WAIT_MS);
    expect(take(buffer)).toMatchObject({
      seq: 2n,
      loss: [{ cause: LossCause.AGENT_BUFFER_FULL, records: 7n }],
    });
  });
});
