import { fromBinary } from '@bufbuild/protobuf';
import {
  DnsQueryCursor,
  HandshakeCursor,
  NameLookupCursor,
  ReceiveQueueDropCursor,
} from '@synscope/probe-wire';
import {
  type Batch,
  ConnectRequestSchema,
  LossCause,
  Probe,
  type SessionSet as WireSet,
} from '@synscope/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordFrame } from '../probe/record-frame.js';
import type { SessionSet } from '../sessions/session-set.js';
import {
  type DnsQueryValues,
  dnsQueriesPayload,
  type HandshakeValues,
  handshakesPayload,
  type NameLookupValues,
  nameLookupsPayload,
  type ReceiveQueueDropValues,
  receiveQueueDropsPayload,
} from '../testing/record-bytes.js';
import type { TextOf } from './byte-dictionary.js';
import { encodeBatch } from './encode-batch.js';
import { escapedUtf8 } from './escaped-utf8.js';
import type { LossEntry } from './loss.js';
import type { ContainerOf } from './origin-columns.js';
import { RecordColumns } from './record-columns.js';

const UNKNOWN_U64 = 0xffffffffffffffffn;
const WALL_OFFSET_NS = 1_795_000_000_123_456_789n;

const unsigned = (bits: number) => {
  const max = 2 ** bits - 1;
  return fc.oneof(fc.integer({ min: 0, max }), fc.constantFrom(0, 127, 128, max));
};
const unsigned64 = fc.bigInt({ min: 0n, max: UNKNOWN_U64 });
const span = fc.bigInt({ min: 0n, max: 1n << 52n });
const duration = fc.oneof(span, fc.constant(UNKNOWN_U64));
const address = fc.uint8Array({ minLength: 16, maxLength: 16 });
const processName = fc
  .oneof(
    fc.constantFrom('', 'nginx', 'curl').map((name) => Buffer.from(name)),
    fc.uint8Array({ maxLength: 15 }).map((bytes) => bytes.map((byte) => byte || 1)),
  )
  .map((bytes) => Uint8Array.from({ length: 16 }, (_, i) => bytes[i] ?? 0));
/** Names that come again, some in other letter case; and any bytes. */
const name = fc.oneof(
  fc.constantFrom('\x03www', '\x03wWw', '\x03web', 'host').map((text) => Uint8Array.from(Buffer.from(text))),
  fc.uint8Array({ minLength: 1, maxLength: 255 }),
);

const origin = {
  observed_ns: fc.bigInt({ min: 0n, max: 1n << 56n }),
  cgroup_id: fc.oneof(fc.bigInt({ min: 0n, max: 20n }), unsigned64),
  netns: unsigned(32),
  pid: unsigned(32),
  process_name: processName,
};
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
const nameLookup = fc.record({
  ...origin,
  latency_ns: span,
  result_code: fc.oneof(fc.integer({ min: -2147483648, max: 2147483647 }), fc.constantFrom(0, -2)),
  family: fc.constantFrom(0, 2, 10),
  flags: unsigned(1),
  name,
});
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

const sets: readonly SessionSet[] = [
  { sessionIds: [Buffer.alloc(16, 1)] },
  { sessionIds: [Buffer.alloc(16, 2), Buffer.alloc(16, 3)] },
  { sessionIds: Array.from({ length: 64 }, (_, i) => Buffer.alloc(16, i)) },
];
const containerOf: ContainerOf = (cgroupId) => (cgroupId % 3 === 0 ? null : `container-${cgroupId % 7}`);
const queryNameOf: TextOf = (bytes, start, end) =>
  `query ${bytes.toString('latin1', start, end).toLowerCase()}`;
const lookupNameOf: TextOf = (bytes, start, end) =>
  `lookup ${bytes.toString('latin1', start, end).toLowerCase()}`;
const context = { containerOf, queryNameOf, lookupNameOf };

function decode(bytes: Buffer): Batch {
  const { message } = fromBinary(ConnectRequestSchema, bytes);
  if (message.case !== 'batch') throw new Error(`a ${message.case}, no batch`);
  return message.value;
}

function append(
  columns: RecordColumns,
  frame: RecordFrame,
  payload: Buffer,
  of: readonly SessionSet[],
): void {
  frame.cursor.reset(payload);
  for (const set of of) {
    frame.cursor.next();
    columns.append(frame, set);
  }
}

function finish(columns: RecordColumns): Batch {
  const batch = decode(encodeBatch(9, columns.all, []));
  expect(batch.seq).toBe(9n);
  columns.clear();
  return batch;
}

interface OriginColumns {
  readonly baseObservedAtUs: bigint;
  readonly observedAtDeltaUs: readonly bigint[];
  readonly netns: readonly number[];
  readonly pid: readonly number[];
  readonly cgroupId: readonly bigint[];
  readonly processNameIndexPlusOne: readonly number[];
  readonly containerIdIndexPlusOne: readonly number[];
  readonly sessionSetIndex: readonly number[];
  readonly processNames: readonly string[];
  readonly containerIds: readonly string[];
  readonly sessionSets: readonly WireSet[];
}

interface OriginValues {
  readonly observed_ns: bigint;
  readonly netns: number;
  readonly pid: number;
  readonly cgroup_id: bigint;
  readonly process_name: Uint8Array;
}

/** What every kind of record has, as row `i` holds it. */
function originOf(columns: OriginColumns, i: number) {
  return {
    observedAtUs: columns.baseObservedAtUs + (columns.observedAtDeltaUs[i] ?? 0n),
    netns: columns.netns[i],
    pid: columns.pid[i],
    cgroupId: columns.cgroupId[i],
    processName: columns.processNames[(columns.processNameIndexPlusOne[i] ?? 0) - 1] ?? '',
    container: columns.containerIds[(columns.containerIdIndexPlusOne[i] ?? 0) - 1] ?? null,
    sessions: columns.sessionSets[columns.sessionSetIndex[i] ?? -1]?.sessionIds.map((id) => Buffer.from(id)),
  };
}

function expectedOrigin(values: OriginValues, set: SessionSet) {
  const nul = Buffer.from(values.process_name).indexOf(0);
  return {
    observedAtUs: (values.observed_ns + WALL_OFFSET_NS) / 1000n,
    netns: values.netns,
    pid: values.pid,
    cgroupId: values.cgroup_id,
    processName: escapedUtf8(Buffer.from(values.process_name.subarray(0, nul < 0 ? 16 : nul))),
    container: values.cgroup_id === 0n ? null : containerOf(Number(values.cgroup_id), values.pid),
    sessions: [...set.sessionIds],
  };
}

/** Every column has a value for every row, and each text of a dictionary is there once. */
function expectWhole(columns: object, rows: number): void {
  expect(columns).toMatchObject({ rowCount: rows });
  for (const column of Object.values(columns)) {
    if (!Array.isArray(column)) continue;
    if (typeof column[0] === 'number' || typeof column[0] === 'bigint') expect(column).toHaveLength(rows);
    if (typeof column[0] === 'string') expect(new Set(column).size).toBe(column.length);
  }
}

const plusOne = (value: number, unknown: number) => (value === unknown ? 0 : value + 1);
const microseconds = (ns: bigint) => (ns + 500n) / 1000n;
const microsecondsPlusOne = (ns: bigint) => (ns === UNKNOWN_U64 ? 0n : microseconds(ns) + 1n);
const addressOf = (column: Uint8Array, i: number) => Uint8Array.from(column.subarray(16 * i, 16 * i + 16));

/** Lists of records of one kind, each with its sessions. */
const rowsOf = <T>(record: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(record, fc.constantFrom(...sets)), { minLength: 1, maxLength: 40 });

describe('a batch', () => {
  it('holds exactly what the probe’s handshakes say, as the generated decoder reads them', () => {
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

  it('holds exactly what the probe’s DNS queries say, their names in the words of this host', () => {
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

  it('holds exactly what the probe’s name lookups say', () => {
    const columns = new RecordColumns(2000, context);
    const frame = { kind: 'name_lookups', cursor: new NameLookupCursor() } as const;
    fc.assert(
      fc.property(rowsOf(nameLookup), (rows) => {
        const values = rows.map(([row]) => row) satisfies NameLookupValues[];
        append(
          columns,
          frame,
          nameLookupsPayload(WALL_OFFSET_NS, values),
          rows.map(([, set]) => set),
        );
        const held = finish(columns).nameLookups;
        if (held === undefined) throw new Error('no columns');
        expectWhole(held, rows.length);
        rows.forEach(([row, set], i) => {
          expect({
            ...originOf(held, i),
            latency: held.latencyUs[i],
            result: held.resultCode[i],
            family: held.family[i],
            flags: held.flags[i],
            name: held.names[held.nameIndex[i] ?? -1],
          }).toEqual({
            ...expectedOrigin(row, set),
            latency: microseconds(row.latency_ns),
            result: row.result_code,
            family: row.family,
            flags: row.flags,
            name: lookupNameOf(Buffer.from(row.name), 0, row.name.length),
          });
        });
      }),
      { numRuns: 200 },
    );
  });

  it('holds exactly what the probe’s receive queue drops say', () => {
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

  it('asks for the text of a name once, whatever its letter case', () => {
    const asked: string[] = [];
    const columns = new RecordColumns(2000, {
      ...context,
      queryNameOf: (bytes, start, end) => {
        asked.push(bytes.toString('latin1', start, end));
        return 'name';
      },
    });
    const names = ['\x03www\x00', '\x03WWW\x00', '\x03wWw\x00', '\x03wwx\x00'].map((text) =>
      Buffer.from(text),
    );
    const frame = { kind: 'dns_queries', cursor: new DnsQueryCursor() } as const;
    const [set] = sets as [SessionSet];
    append(
      columns,
      frame,
      dnsQueriesPayload(
        0n,
        names.map((wire) => ({ name: wire })),
      ),
      names.map(() => set),
    );
    // Two names that the host's policy makes one are one in the batch.
    expect(finish(columns).dnsQueries).toMatchObject({ queryNames: ['name'], queryNameIndex: [0, 0, 0, 0] });
    expect(asked).toEqual(['\x03www\x00', '\x03wwx\x00']);
  });

  it('holds 2,000 records of as many different processes', () => {
    const columns = new RecordColumns(2000, context);
    const records = Array.from(
      { length: 2000 },
      (_, i): HandshakeValues => ({
        process_name: Buffer.from(`process-${i}`),
        pid: i,
        observed_ns: i * 1_000_000,
      }),
    );
    const frame = { kind: 'handshakes', cursor: new HandshakeCursor() } as const;
    const [set] = sets as [SessionSet];
    append(
      columns,
      frame,
      handshakesPayload(WALL_OFFSET_NS, records),
      records.map(() => set),
    );
    expect(columns.isFull).toBe(true);
    expect(finish(columns).handshakes?.processNames).toEqual(records.map((_, i) => `process-${i}`));
  });

  it('can carry loss alone', () => {
    const loss: LossEntry[] = [
      {
        cause: LossCause.TCP_STREAM,
        probe: 'dns',
        records: 7,
        fromUs: 1_795_000_000_000_000,
        untilUs: 1_795_000_000_500_000,
      },
    ];
    const batch = decode(encodeBatch(3, [], loss));
    expect(batch.seq).toBe(3n);
    expect(batch.handshakes).toBeUndefined();
    expect(batch.loss).toMatchObject([
      {
        cause: LossCause.TCP_STREAM,
        probe: Probe.DNS,
        records: 7n,
        fromUs: 1_795_000_000_000_000n,
        untilUs: 1_795_000_000_500_000n,
      },
    ]);
  });
});
