import { create, toBinary } from '@bufbuild/protobuf';
import {
  type Batch,
  BatchSchema,
  HandshakeOutcome,
  HandshakeRole,
  type LossCause,
  type Probe,
} from '@synscope/protocol';
import fc from 'fast-check';
import { parse, stringify } from 'uuid';

/** One record as an agent knows it, before it is put into columns. */
export interface HandshakeRecord {
  readonly observedAtUs: number;
  readonly role: HandshakeRole;
  readonly outcome: HandshakeOutcome;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly localAddress: Uint8Array;
  readonly remoteAddress: Uint8Array;
  readonly localPort: number;
  readonly remotePort: number;
  readonly latencyUs: number | null;
  readonly acceptWaitUs: number | null;
  readonly srttUs: number | null;
  readonly synRetransmits: number | null;
  readonly synAckRetransmits: number | null;
  readonly clientIsn: number | null;
  readonly serverIsn: number | null;
  readonly netns: number | null;
  readonly pid: number | null;
  readonly cgroupId: number | null;
  readonly processName: string | null;
  readonly containerId: string | null;
  readonly sessionIds: readonly string[];
  readonly flags: number;
}

export interface LossReport {
  readonly cause: LossCause;
  /** tcp_handshake if left out. */
  readonly probe?: Probe;
  readonly records: number;
  readonly fromUs: number;
  readonly untilUs: number;
}

export const TEST_SESSION_ID = '01890a5d-ac96-774b-bcce-b302099a8057';

export function ipv4(text: string): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...text.split('.').map(Number));
}

/** A fast client handshake with 192.0.2.1:443, observed now, changed as asked. */
export function handshakeRecord(changes: Partial<HandshakeRecord> = {}): HandshakeRecord {
  return {
    observedAtUs: Date.now() * 1_000,
    role: HandshakeRole.CLIENT,
    outcome: HandshakeOutcome.ESTABLISHED,
    localAddress: ipv4('10.0.0.1'),
    remoteAddress: ipv4('192.0.2.1'),
    localPort: 40_000,
    remotePort: 443,
    latencyUs: 1_234,
    acceptWaitUs: null,
    srttUs: 1_200,
    synRetransmits: 0,
    synAckRetransmits: null,
    clientIsn: 1,
    serverIsn: 2,
    netns: 4_026_531_840,
    pid: 4_711,
    cgroupId: 77,
    processName: 'curl',
    containerId: null,
    sessionIds: [TEST_SESSION_ID],
    flags: 0,
    ...changes,
  };
}

export function batchOf(
  seq: number,
  records: readonly HandshakeRecord[],
  loss: readonly LossReport[] = [],
): Batch {
  const processNames = distinct(records.map(({ processName }) => processName));
  const containerIds = distinct(records.map(({ containerId }) => containerId));
  const sessionSets = [...new Set(records.map(({ sessionIds }) => sessionIds.join()))];
  const base = records[0]?.observedAtUs ?? 0;
  const column = (pick: (record: HandshakeRecord) => number): number[] => records.map(pick);
  const plusOne = (pick: (record: HandshakeRecord) => number | null): number[] =>
    records.map((record) => (pick(record) ?? -1) + 1);
  return create(BatchSchema, {
    seq: BigInt(seq),
    loss: loss.map((entry) => ({
      cause: entry.cause,
      ...(entry.probe !== undefined && { probe: entry.probe }),
      records: BigInt(entry.records),
      fromUs: BigInt(entry.fromUs),
      untilUs: BigInt(entry.untilUs),
    })),
    ...(records.length > 0 && {
      handshakes: {
        rowCount: records.length,
        baseObservedAtUs: BigInt(base),
        observedAtDeltaUs: column((record) => record.observedAtUs - base).map(BigInt),
        role: column((record) => record.role),
        outcome: column((record) => record.outcome),
        localAddress: Buffer.concat(records.map(({ localAddress }) => localAddress)),
        remoteAddress: Buffer.concat(records.map(({ remoteAddress }) => remoteAddress)),
        localPort: column((record) => record.localPort),
        remotePort: column((record) => record.remotePort),
        latencyUsPlusOne: plusOne((record) => record.latencyUs).map(BigInt),
        acceptWaitUsPlusOne: plusOne((record) => record.acceptWaitUs).map(BigInt),
        srttUsPlusOne: plusOne((record) => record.srttUs),
        synRetransmitsPlusOne: plusOne((record) => record.synRetransmits),
        synAckRetransmitsPlusOne: plusOne((record) => record.synAckRetransmits),
        clientIsnPlusOne: plusOne((record) => record.clientIsn).map(BigInt),
        serverIsnPlusOne: plusOne((record) => record.serverIsn).map(BigInt),
        netns: column((record) => record.netns ?? 0),
        pid: column((record) => record.pid ?? 0),
        cgroupId: column((record) => record.cgroupId ?? 0).map(BigInt),
        processNameIndexPlusOne: plusOne(({ processName }) =>
          processName === null ? null : processNames.indexOf(processName),
        ),
        containerIdIndexPlusOne: plusOne(({ containerId }) =>
          containerId === null ? null : containerIds.indexOf(containerId),
        ),
        sessionSetIndex: column(({ sessionIds }) => sessionSets.indexOf(sessionIds.join())),
        flags: column((record) => record.flags),
        processNames,
        containerIds,
        sessionSets: sessionSets.map((set) => ({ sessionIds: set.split(',').map((id) => parse(id)) })),
      },
    }),
  });
}

export function batchBytes(
  seq: number,
  records: readonly HandshakeRecord[],
  loss: readonly LossReport[] = [],
): Uint8Array {
  return toBinary(BatchSchema, batchOf(seq, records, loss));
}

function distinct(texts: readonly (string | null)[]): string[] {
  return [...new Set(texts.filter((text) => text !== null))];
}

const nullable = (maximum: number): fc.Arbitrary<number | null> =>
  fc.option(fc.oneof(fc.constantFrom(0, 1, maximum), fc.integer({ min: 0, max: maximum })), { nil: null });

const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 });

const addressArbitrary = fc.oneof(
  bytes16,
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => ipv4(bytes.join('.'))),
);

/** Text that Postgres can store, of at most 255 bytes. */
const textArbitrary = fc
  .string({ unit: 'binary', maxLength: 60 })
  .map((text) => text.replaceAll('\0', '') || 'x');

/** Records over the whole of what the contract allows, observed from `fromUs` to `untilUs`. */
export function handshakeRecordArbitrary(fromUs: number, untilUs: number): fc.Arbitrary<HandshakeRecord> {
  const day = 86_400_000_000;
  return fc.record({
    observedAtUs: fc.integer({ min: fromUs, max: untilUs }),
    role: fc.constantFrom(HandshakeRole.CLIENT, HandshakeRole.SERVER),
    outcome: fc.integer({ min: 1, max: 6 }),
    localAddress: addressArbitrary,
    remoteAddress: addressArbitrary,
    localPort: fc.integer({ min: 0, max: 65_535 }),
    remotePort: fc.integer({ min: 0, max: 65_535 }),
    latencyUs: nullable(day),
    acceptWaitUs: nullable(day),
    srttUs: nullable(2 ** 31 - 1),
    synRetransmits: nullable(2 ** 15 - 1),
    synAckRetransmits: nullable(2 ** 15 - 1),
    clientIsn: nullable(2 ** 32 - 1),
    serverIsn: nullable(2 ** 32 - 1),
    netns: nullable(2 ** 32 - 1).map((value) => value || null),
    pid: nullable(4_194_304).map((value) => value || null),
    cgroupId: nullable(Number.MAX_SAFE_INTEGER).map((value) => value || null),
    processName: fc.option(textArbitrary, { nil: null }),
    containerId: fc.option(textArbitrary, { nil: null }),
    sessionIds: fc.array(
      bytes16.map((bytes) => uuidOf(bytes)),
      { minLength: 1, maxLength: 3 },
    ),
    flags: fc.integer({ min: 0, max: 2 ** 15 - 1 }),
  });
}

/** A valid UUID from random bytes. */
function uuidOf(bytes: Uint8Array): string {
  const version7 = Uint8Array.from(bytes);
  version7[6] = ((version7[6] ?? 0) & 0x0f) | 0x70;
  version7[8] = ((version7[8] ?? 0) & 0x3f) | 0x80;
  return stringify(version7);
}
