import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DnsQueryCursor } from './dns-query-cursor.js';
import { type StructLayout, structs } from './layout.js';
import { ListenerCursor } from './listener-cursor.js';
import { NameLookupCursor } from './name-lookup-cursor.js';
import { ProbeWireError } from './probe-wire-error.js';
import { ReceiveQueueDropCursor } from './receive-queue-drop-cursor.js';

type Values = Readonly<Record<string, bigint>>;

/** Every integer field of the struct but reserved ones, durations and clocks as a machine can have them. */
function valuesOf(layout: StructLayout): fc.Arbitrary<Values> {
  const fields = Object.entries(layout.fields).filter(([name, { size }]) => size <= 8 && name !== 'reserved');
  return fc.record(
    Object.fromEntries(
      fields.map(([name, { size }]) => {
        const bits = name === 'name_length' ? 8n : name.endsWith('_ns') ? 52n : BigInt(size * 8);
        return [name, fc.bigInt({ min: name === 'name_length' ? 1n : 0n, max: (1n << bits) - 1n })];
      }),
    ),
  );
}

function record(layout: StructLayout, values: Values): Buffer {
  const bytes = Buffer.alloc(layout.size);
  for (const [name, value] of Object.entries(values)) {
    const { offset, size } = layout.fields[name] as { offset: number; size: number };
    if (size === 8) bytes.writeBigUInt64LE(value, offset);
    else bytes.writeUIntLE(Number(value), offset, size);
  }
  const name = layout.fields['name'];
  if (name === undefined) return bytes;
  const length = Number(values['name_length']);
  bytes.fill(0x61, name.offset, name.offset + length);
  return bytes.subarray(0, Math.ceil((name.offset + length) / 8) * 8);
}

const payload = (...records: Buffer[]) =>
  Buffer.concat([Buffer.alloc(structs.records_header.size), ...records]);
const u64 = (low: number, high: number) => (BigInt(high) << 32n) | BigInt(low);
const microseconds = (values: Values, name: string) => Number(((values[name] as bigint) + 500n) / 1000n);
const cut = (values: Values) => Number((values['observed_ns'] as bigint) / 1000n);
const number = (values: Values, name: string) => Number(values[name]);

describe('cursors of records with names', () => {
  it('read DNS queries of any mix of name lengths as they were written', () => {
    const layout = structs.dns_query_record;
    fc.assert(
      fc.property(fc.array(valuesOf(layout), { maxLength: 10 }), (list) => {
        const cursor = new DnsQueryCursor();
        cursor.reset(payload(...list.map((values) => record(layout, values))));
        expect(cursor.recordCount).toBe(list.length);
        for (const values of list) {
          expect(cursor.next()).toBe(true);
          expect({
            observedAtUs: cursor.observedAtUs,
            slots: u64(cursor.slotsLow, cursor.slotsHigh),
            elapsedUs: cursor.elapsedUs,
            lookupId: u64(cursor.lookupIdLow, cursor.lookupIdHigh),
            cgroupId: u64(cursor.cgroupIdLow, cursor.cgroupIdHigh),
          }).toEqual({
            observedAtUs: cut(values),
            slots: values['slots'],
            elapsedUs: microseconds(values, 'elapsed_ns'),
            lookupId: values['lookup_id'],
            cgroupId: values['cgroup_id'],
          });
          const numbers = {
            revision: cursor.revision,
            netns: cursor.netns,
            pid: cursor.pid,
            client_port: cursor.clientPort,
            server_port: cursor.serverPort,
            query_type: cursor.queryType,
            query_class: cursor.queryClass,
            message_id: cursor.messageId,
            response_code: cursor.responseCode,
            answer_count: cursor.answerCount,
            attempt: cursor.attempt,
            flags: cursor.flags,
            side: cursor.side,
            transport: cursor.transport,
            outcome: cursor.outcome,
            name_length: cursor.nameLength,
          };
          for (const [name, value] of Object.entries(numbers))
            expect([name, value]).toEqual([name, number(values, name)]);
          const name = cursor.bytes.toString(
            'latin1',
            cursor.namePosition,
            cursor.namePosition + cursor.nameLength,
          );
          expect(name).toBe('a'.repeat(cursor.nameLength));
        }
        expect(cursor.next()).toBe(false);
      }),
    );
  });

  it('read name lookups, their results with the sign', () => {
    const layout = structs.name_lookup_record;
    fc.assert(
      fc.property(fc.array(valuesOf(layout), { maxLength: 10 }), (list) => {
        const cursor = new NameLookupCursor();
        cursor.reset(payload(...list.map((values) => record(layout, values))));
        for (const values of list) {
          expect(cursor.next()).toBe(true);
          expect({
            latencyUs: cursor.latencyUs,
            resultCode: cursor.resultCode,
            family: cursor.family,
            flags: cursor.flags,
            pid: cursor.pid,
            nameLength: cursor.nameLength,
          }).toEqual({
            latencyUs: microseconds(values, 'latency_ns'),
            resultCode: Number(BigInt.asIntN(32, values['result_code'] as bigint)),
            family: number(values, 'family'),
            flags: number(values, 'flags'),
            pid: number(values, 'pid'),
            nameLength: number(values, 'name_length'),
          });
        }
        expect(cursor.next()).toBe(false);
      }),
    );
  });

  it.each([
    ['DNS queries', new DnsQueryCursor(), structs.dns_query_record],
    ['name lookups', new NameLookupCursor(), structs.name_lookup_record],
  ])('refuse %s that do not end where their frame ends', (_kind, cursor, layout) => {
    const nameOffset = layout.fields.name.offset;
    const one = record(layout, { name_length: 9n });
    expect(one).toHaveLength(nameOffset + 16);
    for (const bad of [
      payload(one).subarray(0, -1),
      Buffer.concat([payload(one), Buffer.alloc(1)]),
      Buffer.concat([payload(one), Buffer.alloc(nameOffset)]),
      payload(one, one.subarray(0, 40)),
      Buffer.alloc(7),
    ]) {
      expect(() => cursor.reset(bad)).toThrow(ProbeWireError);
    }
  });

  it.each([
    ['DNS queries', new DnsQueryCursor()],
    ['name lookups', new NameLookupCursor()],
    ['receive queue drops', new ReceiveQueueDropCursor()],
    ['listeners', new ListenerCursor()],
  ])('never read %s beyond a frame of random bytes', (_kind, cursor) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1500 }), (bytes) => {
        const frame = Buffer.from(bytes);
        try {
          cursor.reset(frame);
        } catch (error) {
          expect(error).toBeInstanceOf(ProbeWireError);
          return;
        }
        let records = 0;
        while (cursor.next()) {
          records++;
          if ('namePosition' in cursor) {
            expect(cursor.namePosition + cursor.nameLength).toBeLessThanOrEqual(frame.length);
          }
        }
        expect(records).toBe(cursor.recordCount);
      }),
    );
  });
});

describe('ReceiveQueueDropCursor', () => {
  it('reads every field as it was written', () => {
    const layout = structs.receive_queue_drop_record;
    fc.assert(
      fc.property(valuesOf(layout), (values) => {
        const cursor = new ReceiveQueueDropCursor();
        cursor.reset(payload(record(layout, values)));
        expect(cursor.next()).toBe(true);
        expect({
          drops: u64(cursor.dropsLow, cursor.dropsHigh),
          intervalUs: cursor.intervalUs,
          receiveBufferBytes: cursor.receiveBufferBytes,
          localPort: cursor.localPort,
          cause: cursor.cause,
          side: cursor.side,
          netns: cursor.netns,
        }).toEqual({
          drops: values['drops'],
          intervalUs: microseconds(values, 'interval_ns'),
          receiveBufferBytes: number(values, 'receive_buffer_bytes'),
          localPort: number(values, 'local_port'),
          cause: number(values, 'cause'),
          side: number(values, 'side'),
          netns: number(values, 'netns'),
        });
      }),
    );
  });
});

describe('ListenerCursor', () => {
  const layout = structs.listener_record;

  it('reads every field as it was written', () => {
    fc.assert(
      fc.property(valuesOf(layout), (values) => {
        const cursor = new ListenerCursor();
        cursor.reset(payload(record(layout, values)));
        expect(cursor.next()).toBe(true);
        expect(cursor.intervalUs).toBe(microseconds(values, 'interval_ns'));
        expect(u64(cursor.socketCookieLow, cursor.socketCookieHigh)).toBe(values['socket_cookie']);
        const numbers = {
          local_port: cursor.localPort,
          syns: cursor.syns,
          syns_refused_accept_queue_full: cursor.synsRefusedAcceptQueueFull,
          syns_refused_syn_queue_full: cursor.synsRefusedSynQueueFull,
          syns_refused_unexplained: cursor.synsRefusedUnexplained,
          syns_answered_by_cookie: cursor.synsAnsweredByCookie,
          acks_dropped_accept_queue_full: cursor.acksDroppedAcceptQueueFull,
          acks_dropped_on_cookie_path: cursor.acksDroppedOnCookiePath,
          accept_queue_length: cursor.acceptQueueLength,
          accept_queue_limit: cursor.acceptQueueLimit,
          accept_queue_peak: cursor.acceptQueuePeak,
          syn_queue_length: cursor.synQueueLength,
          syn_queue_peak: cursor.synQueuePeak,
          somaxconn: cursor.somaxconn,
          tcp_max_syn_backlog: cursor.tcpMaxSynBacklog,
          tcp_syncookies: cursor.tcpSyncookies,
          tcp_abort_on_overflow: cursor.tcpAbortOnOverflow,
          netns: cursor.netns,
          pid: cursor.pid,
        };
        for (const [name, value] of Object.entries(numbers))
          expect([name, value]).toEqual([name, number(values, name)]);
      }),
    );
  });

  it.each([
    [0n, 0],
    [5n, 5],
    [0xffffffffn, 0xffffffff],
    [0xffffffffffffffffn, -1],
  ])('tells drops that are not known (%i) from those that are', (drops, expected) => {
    const cursor = new ListenerCursor();
    cursor.reset(payload(record(layout, { drops })));
    cursor.next();
    expect(cursor.drops).toBe(expected);
  });
});
