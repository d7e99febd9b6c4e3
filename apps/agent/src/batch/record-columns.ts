import { COUNTED_AS, type RecordFrame } from '../probe/record-frame.js';
import type { SessionSet } from '../sessions/session-set.js';
import type { TextOf } from './byte-dictionary.js';
import type { ColumnTable } from './column-table.js';
import { DnsQueryColumnsWriter } from './dns-query-columns-writer.js';
import { HandshakeColumnsWriter } from './handshake-columns-writer.js';
import { ListenerColumnsWriter, type NetnsCountersOf } from './listener-columns-writer.js';
import type { RecordRange } from './loss.js';
import { NameLookupColumnsWriter } from './name-lookup-columns-writer.js';
import type { ContainerOf } from './origin-columns.js';
import { ReceiveQueueDropColumnsWriter } from './receive-queue-drop-columns-writer.js';

/** What the agent knows beyond the probe's records, and what it makes of names before they leave the host. */
export interface RecordContext {
  readonly containerOf: ContainerOf;
  readonly queryNameOf: TextOf;
  readonly lookupNameOf: TextOf;
  readonly netnsCountersOf: NetnsCountersOf;
}

type Kind = RecordFrame['kind'];

/** Beyond this many bytes of dictionaries of one kind a batch is full: well below the 4 MiB that the control plane takes, for all kinds together. */
const DICTIONARY_MAX_BYTES = 512 * 1024;

/** The columns of the batch that is being gathered. Those of a kind are made with the first record of that kind: most hosts trace one or two. */
export class RecordColumns {
  private rowCount = 0;
  private dictionaryFull = false;
  private readonly tables = new Map<Kind, ColumnTable>();
  private handshakes: HandshakeColumnsWriter | undefined;
  private dnsQueries: DnsQueryColumnsWriter | undefined;
  private nameLookups: NameLookupColumnsWriter | undefined;
  private receiveQueueDrops: ReceiveQueueDropColumnsWriter | undefined;
  private listeners: ListenerColumnsWriter | undefined;

  /** `maxRows`: of all kinds together. */
  constructor(
    private readonly maxRows: number,
    private readonly context: RecordContext,
  ) {}

  get isEmpty(): boolean {
    return this.rowCount === 0;
  }

  get isFull(): boolean {
    return this.rowCount >= this.maxRows || this.dictionaryFull;
  }

  get all(): readonly ColumnTable[] {
    return [...this.tables.values()];
  }

  /** Adds the cursor's current record. Must not be called when `isFull`. */
  append(frame: RecordFrame, sessions: SessionSet): void {
    this.rowCount++;
    if (this.write(frame, sessions).dictionarySize > DICTIONARY_MAX_BYTES) this.dictionaryFull = true;
  }

  /** What is held of each probe, as far as its records are counted. */
  ranges(): RecordRange[] {
    const ranges: RecordRange[] = [];
    for (const [kind, { rowCount, firstObservedAtUs, lastObservedAtUs }] of this.tables) {
      const probe = COUNTED_AS[kind];
      if (probe === undefined || rowCount === 0) continue;
      ranges.push({ probe, records: rowCount, fromUs: firstObservedAtUs, untilUs: lastObservedAtUs });
    }
    return ranges;
  }

  clear(): void {
    this.rowCount = 0;
    this.dictionaryFull = false;
    for (const table of this.tables.values()) table.clear();
  }

  private write(frame: RecordFrame, sessions: SessionSet): ColumnTable {
    const { maxRows } = this;
    const { containerOf, queryNameOf, lookupNameOf, netnsCountersOf } = this.context;
    switch (frame.kind) {
      case 'handshakes': {
        this.handshakes ??= this.made(frame.kind, new HandshakeColumnsWriter(maxRows, containerOf));
        this.handshakes.append(frame.cursor, sessions);
        return this.handshakes.table;
      }
      case 'dns_queries': {
        this.dnsQueries ??= this.made(
          frame.kind,
          new DnsQueryColumnsWriter(maxRows, containerOf, queryNameOf),
        );
        this.dnsQueries.append(frame.cursor, sessions);
        return this.dnsQueries.table;
      }
      case 'name_lookups': {
        this.nameLookups ??= this.made(
          frame.kind,
          new NameLookupColumnsWriter(maxRows, containerOf, lookupNameOf),
        );
        this.nameLookups.append(frame.cursor, sessions);
        return this.nameLookups.table;
      }
      case 'receive_queue_drops': {
        this.receiveQueueDrops ??= this.made(
          frame.kind,
          new ReceiveQueueDropColumnsWriter(maxRows, containerOf),
        );
        this.receiveQueueDrops.append(frame.cursor, sessions);
        return this.receiveQueueDrops.table;
      }
      case 'listeners': {
        this.listeners ??= this.made(
          frame.kind,
          new ListenerColumnsWriter(maxRows, containerOf, netnsCountersOf),
        );
        this.listeners.append(frame.cursor, sessions);
        return this.listeners.table;
      }
    }
  }

  private made<W extends { readonly table: ColumnTable }>(kind: Kind, writer: W): W {
    this.tables.set(kind, writer.table);
    return writer;
  }
}
