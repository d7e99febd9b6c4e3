import { once } from 'node:events';
import {
  FrameType,
  ListenerCursor,
  MATCH_ALL,
  type SlotFilter,
  type SlotSpec,
  UNKNOWN_U8,
  UNKNOWN_U32,
} from '@synscope/probe-wire';
import { address, type ProbeProcess } from './probe-process.js';

export const listenerSlot = (slot: number, filter: Partial<SlotFilter> = {}): SlotSpec => ({
  ...MATCH_ALL,
  slot,
  probes: ['listener'],
  ...filter,
});

/** What is counted within an interval. */
export interface ListenerCounts {
  readonly syns: number;
  readonly acceptQueueFull: number;
  readonly synQueueFull: number;
  readonly unexplained: number;
  readonly cookies: number;
  readonly acksDropped: number;
  readonly acksDroppedOnCookiePath: number;
}

export interface ListenerRecord extends ListenerCounts {
  readonly cookie: bigint;
  readonly observedAtUs: number;
  readonly intervalUs: number;
  readonly local: string;
  readonly localPort: number;
  /** −1 if not known, here and below. */
  readonly drops: number;
  readonly acceptQueueLength: number;
  readonly acceptQueueLimit: number;
  readonly acceptQueuePeak: number;
  readonly synQueueLength: number;
  readonly synQueuePeak: number;
  readonly somaxconn: number;
  readonly tcpMaxSynBacklog: number;
  readonly tcpSyncookies: number;
  readonly tcpAbortOnOverflow: number;
  readonly netns: number;
  readonly pid: number;
  readonly processName: string;
  readonly cgroupId: number;
  readonly slots: bigint;
  readonly revision: number;
}

const known = (value: number, unknown: number) => (value === unknown ? -1 : value);

/** The records of one FRAME_LISTENERS. */
export function readListenerRecords(payload: Buffer): ListenerRecord[] {
  const records: ListenerRecord[] = [];
  const cursor = new ListenerCursor();
  cursor.reset(payload);
  while (cursor.next()) {
    const name = payload.subarray(cursor.processNamePosition, cursor.processNamePosition + 16);
    records.push({
      cookie: (BigInt(cursor.socketCookieHigh) << 32n) | BigInt(cursor.socketCookieLow),
      observedAtUs: cursor.observedAtUs,
      intervalUs: cursor.intervalUs,
      local: address(payload, cursor.localAddressPosition),
      localPort: cursor.localPort,
      syns: cursor.syns,
      acceptQueueFull: cursor.synsRefusedAcceptQueueFull,
      synQueueFull: cursor.synsRefusedSynQueueFull,
      unexplained: cursor.synsRefusedUnexplained,
      cookies: cursor.synsAnsweredByCookie,
      acksDropped: cursor.acksDroppedAcceptQueueFull,
      acksDroppedOnCookiePath: cursor.acksDroppedOnCookiePath,
      drops: cursor.drops,
      acceptQueueLength: cursor.acceptQueueLength,
      acceptQueueLimit: cursor.acceptQueueLimit,
      acceptQueuePeak: cursor.acceptQueuePeak,
      synQueueLength: cursor.synQueueLength,
      synQueuePeak: cursor.synQueuePeak,
      somaxconn: known(cursor.somaxconn, UNKNOWN_U32),
      tcpMaxSynBacklog: known(cursor.tcpMaxSynBacklog, UNKNOWN_U32),
      tcpSyncookies: known(cursor.tcpSyncookies, UNKNOWN_U8),
      tcpAbortOnOverflow: known(cursor.tcpAbortOnOverflow, UNKNOWN_U8),
      netns: cursor.netns,
      pid: cursor.pid,
      processName: name.toString('latin1').replace(/\0.*$/s, ''),
      cgroupId: cursor.cgroupIdHigh * 2 ** 32 + cursor.cgroupIdLow,
      slots: (BigInt(cursor.slotsHigh) << 32n) | BigInt(cursor.slotsLow),
      revision: cursor.revision,
    });
  }
  return records;
}

const NOTHING: ListenerCounts = {
  syns: 0,
  acceptQueueFull: 0,
  synQueueFull: 0,
  unexplained: 0,
  cookies: 0,
  acksDropped: 0,
  acksDroppedOnCookiePath: 0,
};

/** All that was counted: what is given, and nothing else. */
export const counted = (counts: Partial<ListenerCounts>): ListenerCounts => ({ ...NOTHING, ...counts });

export function sumOf(records: readonly ListenerCounts[]): ListenerCounts {
  const names = Object.keys(NOTHING) as (keyof ListenerCounts)[];
  return Object.fromEntries(
    names.map((name) => [name, records.reduce((sum, record) => sum + record[name], 0)]),
  ) as unknown as ListenerCounts;
}

const PATIENCE_MS = 15_000;

/** The listeners that a probe reports. */
export class ListenerRecords {
  readonly all: ListenerRecord[] = [];

  constructor(private readonly probe: ProbeProcess) {
    probe.changes.on('frame', (type: number, payload: Buffer) => {
      if (type === FrameType.listeners) this.all.push(...readListenerRecords(payload));
    });
  }

  of(cookie: bigint): ListenerRecord[] {
    return this.all.filter((record) => record.cookie === cookie);
  }

  /** The first record that satisfies the predicate, as soon as it is there. */
  async first(wanted: (record: ListenerRecord) => boolean): Promise<ListenerRecord> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const found = this.all.find(wanted);
      if (found !== undefined) return found;
      await once(this.probe.changes, 'change', { signal: deadline }).catch(() => {
        throw new Error(`none of ${this.all.length} records of listeners is the one that was awaited`);
      });
    }
  }
}
