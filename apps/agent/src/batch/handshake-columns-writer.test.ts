import { HandshakeCursor } from '@synscope/probe-wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HandshakeValues, handshakesPayload } from '../testing/record-bytes.js';
import {
  address,
  addressOf,
  append,
  context,
  duration,
  expectedOrigin,
  expectWhole,
  finish,
  microsecondsPlusOne,
  origin,
  originOf,
  plusOne,
  rowsOf,
  unsigned,
  WALL_OFFSET_NS,
} from '../testing/record-rows.js';
import { RecordColumns } from './record-columns.js';

const handshake = fc.record({
  ...origin,
  latency_ns: duration,
  accept_wait_ns: duration,
  local_address: address,
  remote_address: address,
  client_isn: unsigned(32),
  server_isn: unsigned(32),
  srtt_us: unsigned(32),
  local_port: unsigned(16),
  remote_port: unsigned(16),
  syn_retransmits: unsigned(16),
  syn_ack_retransmits: unsigned(16),
  flags: unsigned(10),
  role: fc.constantFrom(1, 2),
  outcome: fc.integer({ min: 1, max: 6 }),
});

describe('HandshakeColumnsWriter', () => {
  it('writes exactly what the probe’s records say, as the generated decoder reads them', () => {
    // One for all runs, as in the agent: nothing of a batch may show in the next.
    const columns = new RecordColumns(2000, context);
    const frame = { kind: 'handshakes', cursor: new HandshakeCursor() } as const;
    fc.assert(
      fc.property(rowsOf(handshake), (rows) => {
        const values = rows.map(([row]) => row) satisfies HandshakeValues[];
        append(
          columns,
          frame,
          handshakesPayload(WALL_OFFSET_NS, values),
          rows.map(([, set]) => set),
        );
        const held = finish(columns).handshakes;
        if (held === undefined) throw new Error('no columns');
        expectWhole(held, rows.length);
        rows.forEach(([row, set], i) => {
          const isn = (flag: number, value: number) => ((row.flags & flag) === 0 ? 0n : BigInt(value) + 1n);
          expect({
            ...originOf(held, i),
            role: held.role[i],
            outcome: held.outcome[i],
            addresses: [addressOf(held.localAddress, i), addressOf(held.remoteAddress, i)],
            ports: [held.localPort[i], held.remotePort[i]],
            times: [held.latencyUsPlusOne[i], held.acceptWaitUsPlusOne[i]],
            srtt: held.srttUsPlusOne[i],
            retransmits: [held.synRetransmitsPlusOne[i], held.synAckRetransmitsPlusOne[i]],
            isns: [held.clientIsnPlusOne[i], held.serverIsnPlusOne[i]],
            flags: held.flags[i],
          }).toEqual({
            ...expectedOrigin(row, set),
            role: row.role,
            outcome: row.outcome,
            addresses: [row.local_address, row.remote_address],
            ports: [row.local_port, row.remote_port],
            times: [microsecondsPlusOne(row.latency_ns), microsecondsPlusOne(row.accept_wait_ns)],
            srtt: plusOne(row.srtt_us, 0xffffffff),
            retransmits: [plusOne(row.syn_retransmits, 0xffff), plusOne(row.syn_ack_retransmits, 0xffff)],
            isns: [isn(256, row.client_isn), isn(512, row.server_isn)],
            flags: row.flags & 0xff,
          });
        });
      }),
      { numRuns: 200 },
    );
  });
});
