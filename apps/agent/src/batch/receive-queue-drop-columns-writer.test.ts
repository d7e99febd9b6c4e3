import { ReceiveQueueDropCursor } from '@synscope/probe-wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ReceiveQueueDropValues, receiveQueueDropsPayload } from '../testing/record-bytes.js';
import {
  address,
  addressOf,
  append,
  context,
  expectedOrigin,
  expectWhole,
  finish,
  microseconds,
  origin,
  originOf,
  rowsOf,
  span,
  unsigned,
  unsigned64,
  WALL_OFFSET_NS,
} from '../testing/record-rows.js';
import { RecordColumns } from './record-columns.js';

const receiveQueueDrop = fc.record({
  ...origin,
  interval_ns: span,
  drops: unsigned64,
  local_address: address,
  local_port: unsigned(16),
  receive_buffer_bytes: unsigned(32),
  cause: fc.constantFrom(1, 2),
  side: fc.constantFrom(1, 2),
});

describe('ReceiveQueueDropColumnsWriter', () => {
  it('writes exactly what the probe’s records say', () => {
    const columns = new RecordColumns(2000, context);
    const frame = { kind: 'receive_queue_drops', cursor: new ReceiveQueueDropCursor() } as const;
    fc.assert(
      fc.property(rowsOf(receiveQueueDrop), (rows) => {
        const values = rows.map(([row]) => row) satisfies ReceiveQueueDropValues[];
        append(
          columns,
          frame,
          receiveQueueDropsPayload(WALL_OFFSET_NS, values),
          rows.map(([, set]) => set),
        );
        const held = finish(columns).receiveQueueDrops;
        if (held === undefined) throw new Error('no columns');
        expectWhole(held, rows.length);
        rows.forEach(([row, set], i) => {
          expect({
            ...originOf(held, i),
            interval: held.intervalUs[i],
            drops: held.drops[i],
            kinds: [held.cause[i], held.side[i]],
            address: addressOf(held.localAddress, i),
            port: held.localPort[i],
            buffer: held.receiveBufferBytes[i],
          }).toEqual({
            ...expectedOrigin(row, set),
            interval: microseconds(row.interval_ns),
            drops: row.drops,
            kinds: [row.cause, row.side],
            address: row.local_address,
            port: row.local_port,
            buffer: BigInt(row.receive_buffer_bytes),
          });
        });
      }),
      { numRuns: 200 },
    );
  });
});
