import { fromBinary } from '@bufbuild/protobuf';
import { type Batch, ConnectRequestSchema, type SessionSet as WireSet } from '@synscope/protocol';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { TextOf } from '../batch/byte-dictionary.js';
import { encodeBatch } from '../batch/encode-batch.js';
import { escapedUtf8 } from '../batch/escaped-utf8.js';
import type { NetnsCountersOf } from '../batch/listener-columns-writer.js';
import type { ContainerOf } from '../batch/origin-columns.js';
import type { RecordColumns } from '../batch/record-columns.js';
import { netnsCounters } from '../netns/netns-counters.js';
import type { RecordFrame } from '../probe/record-frame.js';
import type { SessionSet } from '../sessions/session-set.js';

export const UNKNOWN_U64 = 0xffffffffffffffffn;
export const WALL_OFFSET_NS = 1_795_000_000_123_456_789n;

export const unsigned = (bits: number) => {
  const max = 2 ** bits - 1;
  return fc.oneof(fc.integer({ min: 0, max }), fc.constantFrom(0, 127, 128, max));
};
export const unsigned64 = fc.bigInt({ min: 0n, max: UNKNOWN_U64 });
export const span = fc.bigInt({ min: 0n, max: 1n << 52n });
export const duration = fc.oneof(span, fc.constant(UNKNOWN_U64));
export const address = fc.uint8Array({ minLength: 16, maxLength: 16 });
const processName = fc
  .oneof(
    fc.constantFrom('', 'nginx', 'curl').map((name) => Buffer.from(name)),
    fc.uint8Array({ maxLength: 15 }).map((bytes) => bytes.map((byte) => byte || 1)),
  )
  .map((bytes) => Uint8Array.from({ length: 16 }, (_, i) => bytes[i] ?? 0));
/** Names that come again, some in other letter case; and any bytes. */
export const name = fc.oneof(
  fc.constantFrom('\x03www', '\x03wWw', '\x03web', 'host').map((text) => Uint8Array.from(Buffer.from(text))),
  fc.uint8Array({ minLength: 1, maxLength: 255 }),
);

export const origin = {
  observed_ns: fc.bigInt({ min: 0n, max: 1n << 56n }),
  cgroup_id: fc.oneof(fc.bigInt({ min: 0n, max: 20n }), unsigned64),
  netns: unsigned(32),
  pid: unsigned(32),
  process_name: processName,
};

export const sets: readonly SessionSet[] = [
  { sessionIds: [Buffer.alloc(16, 1)] },
  { sessionIds: [Buffer.alloc(16, 2), Buffer.alloc(16, 3)] },
  { sessionIds: Array.from({ length: 64 }, (_, i) => Buffer.alloc(16, i)) },
];
const containerOf: ContainerOf = (cgroupId) => (cgroupId % 3 === 0 ? null : `container-${cgroupId % 7}`);
export const queryNameOf: TextOf = (bytes, start, end) =>
  `query ${bytes.toString('latin1', start, end).toLowerCase()}`;
export const lookupNameOf: TextOf = (bytes, start, end) =>
  `lookup ${bytes.toString('latin1', start, end).toLowerCase()}`;
/** Known of every other network namespace. */
export const netnsCountersOf: NetnsCountersOf = (netns, pid, observedAtUs) =>
  netns % 2 === 0
    ? undefined
    : netnsCounters((_name, i) => (i % 2 === 0 ? netns + i : i === 1 ? pid : observedAtUs % 1000));
export const context = { containerOf, queryNameOf, lookupNameOf, netnsCountersOf };

export function decode(bytes: Buffer): Batch {
  const { message } = fromBinary(ConnectRequestSchema, bytes);
  if (message.case !== 'batch') throw new Error(`a ${message.case}, no batch`);
  return message.value;
}

export function append(
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

export function finish(columns: RecordColumns): Batch {
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
export function originOf(columns: OriginColumns, i: number) {
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

export function expectedOrigin(values: OriginValues, set: SessionSet) {
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
export function expectWhole(columns: object, rows: number): void {
  expect(columns).toMatchObject({ rowCount: rows });
  for (const column of Object.values(columns)) {
    if (!Array.isArray(column)) continue;
    if (typeof column[0] === 'number' || typeof column[0] === 'bigint') expect(column).toHaveLength(rows);
    if (typeof column[0] === 'string') expect(new Set(column).size).toBe(column.length);
  }
}

export const plusOne = (value: number, unknown: number) => (value === unknown ? 0 : value + 1);
export const microseconds = (ns: bigint) => (ns + 500n) / 1000n;
export const microsecondsPlusOne = (ns: bigint) => (ns === UNKNOWN_U64 ? 0n : microseconds(ns) + 1n);
export const addressOf = (column: Uint8Array, i: number) =>
  Uint8Array.from(column.subarray(16 * i, 16 * i + 16));

/** Lists of records of one kind, each with its sessions. */
export const rowsOf = <T>(record: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(record, fc.constantFrom(...sets)), { minLength: 1, maxLength: 40 });
