import { fromBinary } from '@bufbuild/protobuf';
import { HandshakeCursor } from '@synscope/probe-wire';
import { type Batch, ConnectRequestSchema, LossCause } from '@synscope/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../testing/manual-clock.js';
import { handshakesPayload } from '../testing/record-bytes.js';
import { BATCH_MAX_RECORDS, BATCH_MAX_WAIT_MS, Batcher } from './batcher.js';
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
    () => null,
    () => {
      announced++;
    },
  );
}

function append(batcher: Batcher, count: number): void {
  const cursor = new HandshakeCursor();
  cursor.reset(
    handshakesPayload(
      0n,
      Array.from({ length: count }, (_, i) => ({ observedNs: BigInt(i) * 1000n })),
    ),
  );
  while (cursor.next()) batcher.append(cursor, sessions);
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

  it('sends loss with the records that it waits for, or alone, one entry per cause', () => {
    const buffer = new MemoryBatchBuffer(1e7);
    const batcher = batcherInto(buffer);
    batcher.addLoss({ cause: LossCause.RING_FULL, records: 2, fromUs: 10, untilUs: 20 });
    batcher.addLoss({ cause: LossCause.RING_FULL, records: 3, fromUs: 5, untilUs: 15 });
    append(batcher, 1);
    clock.advance(BATCH_MAX_WAIT_MS);
    expect(take(buffer)).toMatchObject({
      handshakes: { rowCount: 1 },
      loss: [{ cause: LossCause.RING_FULL, records: 5n, fromUs: 5n, untilUs: 20n }],
    });
    batcher.addLoss({ cause: LossCause.RING_FULL, records: 0, fromUs: 1, untilUs: 2 });
    clock.advance(BATCH_MAX_WAIT_MS);
    expect(take(buffer)).toBeUndefined();
  });

  it('counts records as lost instead of adding batches to a buffer that is full of loss', () => {
    // Over its cap with a single entry, which holds nothing that could be given up.
    const buffer = new MemoryBatchBuffer(1);
    const batcher = batcherInto(buffer);
    batcher.addLoss({ cause: LossCause.RING_FULL, records: 1, fromUs: 1, untilUs: 2 });
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
