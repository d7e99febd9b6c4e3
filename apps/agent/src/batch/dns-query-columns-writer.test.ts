import { DnsQueryCursor } from '@synscope/probe-wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DnsQueryValues, dnsQueriesPayload } from '../testing/record-bytes.js';
import {
  address,
  addressOf,
  append,
  context,
  expectedOrigin,
  expectWhole,
  finish,
  microseconds,
  name,
  origin,
  originOf,
  plusOne,
  queryNameOf,
  rowsOf,
  span,
  unsigned,
  WALL_OFFSET_NS,
} from '../testing/record-rows.js';
import { RecordColumns } from './record-columns.js';

const dnsQuery = fc.record({
  ...origin,
  elapsed_ns: span,
  lookup_id: fc.bigInt({ min: 0n, max: (1n << 52n) - 1n }),
  client_address: address,
  server_address: address,
  client_port: unsigned(16),
  server_port: unsigned(16),
  query_type: unsigned(16),
  query_class: unsigned(16),
  message_id: unsigned(16),
  response_code: unsigned(16),
  answer_count: unsigned(16),
  attempt: unsigned(16),
  flags: unsigned(5),
  side: fc.constantFrom(1, 2),
  transport: fc.constantFrom(1, 2),
  outcome: fc.integer({ min: 1, max: 3 }),
  name,
});

describe('DnsQueryColumnsWriter', () => {
  it('writes exactly what the probe’s records say, their names in the words of this host', () => {
    const columns = new RecordColumns(2000, context);
    const frame = { kind: 'dns_queries', cursor: new DnsQueryCursor() } as const;
    fc.assert(
      fc.property(rowsOf(dnsQuery), (rows) => {
        const values = rows.map(([row]) => row) satisfies DnsQueryValues[];
        append(
          columns,
          frame,
          dnsQueriesPayload(WALL_OFFSET_NS, values),
          rows.map(([, set]) => set),
        );
        const held = finish(columns).dnsQueries;
        if (held === undefined) throw new Error('no columns');
        expectWhole(held, rows.length);
        rows.forEach(([row, set], i) => {
          expect({
            ...originOf(held, i),
            kinds: [held.side[i], held.outcome[i], held.transport[i]],
            addresses: [addressOf(held.clientAddress, i), addressOf(held.serverAddress, i)],
            ports: [held.clientPort[i], held.serverPort[i]],
            elapsed: held.elapsedUs[i],
            question: [held.queryType[i], held.queryClass[i], held.messageId[i]],
            answer: [held.responseCodePlusOne[i], held.answerCountPlusOne[i]],
            lookup: [held.lookupId[i], held.attempt[i]],
            flags: held.flags[i],
            name: held.queryNames[held.queryNameIndex[i] ?? -1],
          }).toEqual({
            ...expectedOrigin(row, set),
            kinds: [row.side, row.outcome, row.transport],
            addresses: [row.client_address, row.server_address],
            ports: [row.client_port, row.server_port],
            elapsed: microseconds(row.elapsed_ns),
            question: [row.query_type, row.query_class, row.message_id],
            answer: [plusOne(row.response_code, 0xffff), plusOne(row.answer_count, 0xffff)],
            lookup: [row.lookup_id, row.attempt],
            flags: row.flags,
            name: queryNameOf(Buffer.from(row.name), 0, row.name.length),
          });
        });
      }),
      { numRuns: 200 },
    );
  });
});
