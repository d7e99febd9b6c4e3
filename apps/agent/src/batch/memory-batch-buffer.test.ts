import { fromBinary } from '@bufbuild/protobuf';
import { ConnectRequestSchema, LossCause } from '@synscope/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OutgoingBatch } from './batch-buffer.js';
import { encodeBatch } from './encode-batch.js';
import type { LossEntry } from './loss.js';
import { MemoryBatchBuffer } from './memory-batch-buffer.js';

const RECORD_BYTES = 5_000;

function append(buffer: MemoryBatchBuffer, records: number, loss: readonly LossEntry[] = []): void {
  const seq = buffer.nextSeq;
  const bytes = Buffer.concat([encodeBatch(seq, [], loss), Buffer.alloc(records > 0 ? RECORD_BYTES : 0)]);
  const range = { records, fromUs: seq * 1000, untilUs: seq * 1000 + 999 };
  const byProbe = [{ probe: 'tcp_handshake', ...range }] as const;
  buffer.append({ seq, bytes, hasRecords: records > 0, records: records > 0 ? byProbe : [], loss });
}

function takeAll(buffer: MemoryBatchBuffer): OutgoingBatch[] {
  const taken: OutgoingBatch[] = [];
  for (let batch = buffer.take(); batch !== undefined; batch = buffer.take()) taken.push(batch);
  return taken;
}

function lossOf({ bytes }: OutgoingBatch) {
  const { message } = fromBinary(ConnectRequestSchema, bytes);
  return message.case === 'batch' ? message.value.loss : [];
}

describe('MemoryBatchBuffer', () => {
  it('hands batches out once, in order, and all unacknowledged ones again after a rewind', () => {
    const buffer = new MemoryBatchBuffer(1e6);
    for (let i = 0; i < 5; i++) append(buffer, 1);
    expect(takeAll(buffer).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    buffer.acknowledge(1);
    buffer.acknowledge(3);
    expect(buffer.acknowledgedThrough).toBe(1);
    buffer.rewind();
    expect(takeAll(buffer).map(({ seq }) => seq)).toEqual([2, 4, 5]);
  });

  it('gives up the oldest records beyond its cap, and leaves their seq with the loss', () => {
    const buffer = new MemoryBatchBuffer(4 * (RECORD_BYTES + 600) + 3 * 600);
    const before: LossEntry = {
      cause: LossCause.RING_FULL,
      probe: 'tcp_handshake',
      records: 4,
      fromUs: 1,
      untilUs: 2,
    };
    append(buffer, 10, [before]);
    for (let i = 0; i < 6; i++) append(buffer, 10);
    const batches = takeAll(buffer);
    expect(batches.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(lossOf(batches[0] as OutgoingBatch)).toMatchObject([
      { cause: LossCause.RING_FULL, records: 4n },
      { cause: LossCause.AGENT_BUFFER_FULL, records: 10n, fromUs: 1000n, untilUs: 1999n },
    ]);
    expect(buffer.evictedRecords).toBe(30);
    expect(batches.filter(({ bytes }) => bytes.length > RECORD_BYTES)).toHaveLength(4);
  });

  it('counts nothing for records that are in no count, but gives them up as well', () => {
    const buffer = new MemoryBatchBuffer(1000);
    const bytes = Buffer.concat([encodeBatch(1, [], []), Buffer.alloc(RECORD_BYTES)]);
    buffer.append({ seq: 1, bytes, hasRecords: true, records: [], loss: [] });
    const [batch] = takeAll(buffer);
    expect(batch?.bytes).toEqual(encodeBatch(1, [], []));
    expect(buffer.evictedRecords).toBe(0);
  });

  it('does not give up what is on its way', () => {
    const buffer = new MemoryBatchBuffer(2 * (RECORD_BYTES + 600));
    append(buffer, 1);
    append(buffer, 1);
    const [first] = takeAll(buffer);
    append(buffer, 1);
    expect(buffer.evictedRecords).toBe(1);
    buffer.rewind();
    expect(takeAll(buffer)[0]?.bytes).toEqual(first?.bytes);
  });

  it('accounts for every record: sent or lost, whatever happens in whatever order', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('append' as const), records: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ do: fc.constantFrom('take' as const, 'rewind' as const), records: fc.constant(0) }),
      fc.record({ do: fc.constant('acknowledge' as const), records: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const buffer = new MemoryBatchBuffer(6 * RECORD_BYTES);
        const records = new Map<number, number>();
        const delivered = new Map<number, OutgoingBatch>();
        const inFlight: OutgoingBatch[] = [];
        for (const { do: action, records: n } of steps) {
          if (action === 'append') {
            records.set(buffer.nextSeq, n);
            append(buffer, n);
          } else if (action === 'take') {
            const batch = buffer.take();
            if (batch !== undefined) inFlight.push(batch);
          } else if (action === 'rewind') {
            buffer.rewind();
            inFlight.length = 0;
          } else {
            const [batch] = inFlight.splice(n % (inFlight.length || 1), 1);
            if (batch !== undefined) {
              delivered.set(batch.seq, batch);
              buffer.acknowledge(batch.seq);
            }
          }
        }
        buffer.rewind();
        for (const batch of takeAll(buffer)) {
          expect(delivered.has(batch.seq)).toBe(false);
          delivered.set(batch.seq, batch);
          buffer.acknowledge(batch.seq);
        }
        expect(buffer.bytes).toBe(0);
        expect([...delivered.keys()].sort((a, b) => a - b)).toEqual([...records.keys()]);
        let lost = 0;
        for (const [seq, batch] of delivered) {
          if (batch.bytes.length >= RECORD_BYTES) continue;
          expect(lossOf(batch)).toMatchObject([{ records: BigInt(records.get(seq) ?? 0) }]);
          lost += records.get(seq) ?? 0;
        }
        expect(lost).toBe(buffer.evictedRecords);
      }),
      { numRuns: 300 },
    );
  });
});
