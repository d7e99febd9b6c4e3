import { once } from 'node:events';
import {
  DnsQueryCursor,
  FrameType,
  MATCH_ALL,
  ReceiveQueueDropCursor,
  type SlotFilter,
  type SlotSpec,
  UNKNOWN_U16,
} from '@synscope/probe-wire';
import { address, type ProbeProcess } from './probe-process.js';

export const dnsSlot = (slot: number, filter: Partial<SlotFilter> = {}): SlotSpec => ({
  ...MATCH_ALL,
  slot,
  probes: ['dns'],
  ...filter,
});

export type Side = 'client' | 'resolver';
export type Outcome = 'answered' | 'late' | 'unanswered';

export interface DnsRecord {
  readonly side: Side;
  readonly transport: 'udp' | 'tcp';
  readonly outcome: Outcome;
  /** As asked, labels joined by dots, no final dot. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly id: number;
  /** −1 without an answer, here and below. */
  readonly responseCode: number;
  readonly answerCount: number;
  readonly elapsedUs: number;
  /** Of the answer, or when the query was given up. */
  readonly observedAtUs: number;
  readonly lookupId: bigint;
  readonly attempt: number;
  readonly flags: number;
  readonly client: string;
  readonly clientPort: number;
  readonly server: string;
  readonly serverPort: number;
  readonly netns: number;
  readonly pid: number;
  readonly processName: string;
  readonly slots: bigint;
  readonly revision: number;
}

const SIDES: readonly (Side | undefined)[] = [undefined, 'client', 'resolver'];
const OUTCOMES: readonly (Outcome | undefined)[] = [undefined, 'answered', 'late', 'unanswered'];

function among<T>(values: readonly (T | undefined)[], number: number): T {
  const value = values[number];
  if (value === undefined) throw new Error(`${number} is none of ${values.join(', ')}`);
  return value;
}

const known = (value: number) => (value === UNKNOWN_U16 ? -1 : value);
const wide = (high: number, low: number) => (BigInt(high) << 32n) | BigInt(low);

function joinLabels(wire: Buffer): string {
  const labels: string[] = [];
  for (let at = 0; wire[at] !== 0 && at < wire.length; at += (wire[at] ?? 0) + 1)
    labels.push(wire.toString('latin1', at + 1, at + 1 + (wire[at] ?? 0)));
  return labels.join('.');
}

const processName = (payload: Buffer, at: number) =>
  payload.toString('latin1', at, at + 16).replace(/\0.*$/s, '');

/** The records of one FRAME_DNS_QUERIES. */
export function readDnsRecords(payload: Buffer): DnsRecord[] {
  const records: DnsRecord[] = [];
  const cursor = new DnsQueryCursor();
  cursor.reset(payload);
  while (cursor.next()) {
    records.push({
      side: among(SIDES, cursor.side),
      transport: cursor.transport === 1 ? 'udp' : 'tcp',
      outcome: among(OUTCOMES, cursor.outcome),
      name: joinLabels(payload.subarray(cursor.namePosition, cursor.namePosition + cursor.nameLength)),
      type: cursor.queryType,
      class: cursor.queryClass,
      id: cursor.messageId,
      responseCode: known(cursor.responseCode),
      answerCount: known(cursor.answerCount),
      elapsedUs: cursor.elapsedUs,
      observedAtUs: cursor.observedAtUs,
      lookupId: wide(cursor.lookupIdHigh, cursor.lookupIdLow),
      attempt: cursor.attempt,
      flags: cursor.flags,
      client: address(payload, cursor.clientAddressPosition),
      clientPort: cursor.clientPort,
      server: address(payload, cursor.serverAddressPosition),
      serverPort: cursor.serverPort,
      netns: cursor.netns,
      pid: cursor.pid,
      processName: processName(payload, cursor.processNamePosition),
      slots: wide(cursor.slotsHigh, cursor.slotsLow),
      revision: cursor.revision,
    });
  }
  return records;
}

export interface DropRecord {
  readonly side: Side;
  readonly cause: number;
  readonly drops: bigint;
  readonly intervalUs: number;
  readonly receiveBufferBytes: number;
  readonly local: string;
  readonly localPort: number;
  readonly netns: number;
  readonly pid: number;
  readonly processName: string;
  readonly slots: bigint;
}

/** The records of one FRAME_RECEIVE_QUEUE_DROPS. */
export function readDropRecords(payload: Buffer): DropRecord[] {
  const records: DropRecord[] = [];
  const cursor = new ReceiveQueueDropCursor();
  cursor.reset(payload);
  while (cursor.next()) {
    records.push({
      side: among(SIDES, cursor.side),
      cause: cursor.cause,
      drops: wide(cursor.dropsHigh, cursor.dropsLow),
      intervalUs: cursor.intervalUs,
      receiveBufferBytes: cursor.receiveBufferBytes,
      local: address(payload, cursor.localAddressPosition),
      localPort: cursor.localPort,
      netns: cursor.netns,
      pid: cursor.pid,
      processName: processName(payload, cursor.processNamePosition),
      slots: wide(cursor.slotsHigh, cursor.slotsLow),
    });
  }
  return records;
}

const PATIENCE_MS = 15_000;

/** The DNS queries and the drops that a probe reports. */
export class DnsRecords {
  readonly queries: DnsRecord[] = [];
  readonly drops: DropRecord[] = [];

  constructor(private readonly probe: ProbeProcess) {
    probe.changes.on('frame', (type: number, payload: Buffer) => {
      if (type === FrameType.dnsQueries) this.queries.push(...readDnsRecords(payload));
      else if (type === FrameType.receiveQueueDrops) this.drops.push(...readDropRecords(payload));
    });
  }

  /** As soon as there are `count` records that satisfy the predicate, all of them. */
  async take(count: number, wanted: (record: DnsRecord) => boolean): Promise<DnsRecord[]> {
    await this.until(
      () => this.queries.filter(wanted).length >= count,
      () => `${this.queries.filter(wanted).length} of ${count} records came`,
    );
    return this.queries.filter(wanted);
  }

  /** As soon as the condition holds of what came. */
  async until(holds: () => boolean, complaint: () => string): Promise<void> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    while (!holds()) {
      await once(this.probe.changes, 'change', { signal: deadline }).catch(() => {
        throw new Error(complaint());
      });
    }
  }
}
