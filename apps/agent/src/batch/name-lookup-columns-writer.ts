import type { NameLookupCursor } from '@synscope/probe-wire';
import type { SessionSet } from '../sessions/session-set.js';
import type { TextOf } from './byte-dictionary.js';
import { ColumnTable } from './column-table.js';
import type { ContainerOf } from './origin-columns.js';

/** Turns the probe's calls of getaddrinfo() into NameLookupColumns of proto/synscope/agent/v1/records.proto. */
export class NameLookupColumnsWriter {
  readonly table: ColumnTable;
  private readonly latency;
  private readonly resultCode;
  private readonly family;
  private readonly name;
  private readonly flags;
  private readonly names;

  /** `lookupNameOf`: what leaves this host of a name as an application gave it. */
  constructor(maxRows: number, containerOf: ContainerOf, lookupNameOf: TextOf) {
    const table = new ColumnTable({ batchField: 5, firstOriginField: 7, maxRows }, containerOf);
    this.table = table;
    this.latency = table.column(4);
    this.resultCode = table.column(5);
    this.family = table.column(6);
    this.name = table.column(13);
    this.flags = table.column(14);
    this.names = table.nameDictionary(lookupNameOf);
  }

  /** Adds the cursor's current record. */
  append(record: NameLookupCursor, sessions: SessionSet): void {
    this.table.beginRow(record, sessions);
    const { bytes, namePosition } = record;
    this.latency.varint(record.latencyUs);
    this.resultCode.zigzag(record.resultCode);
    this.family.varint(record.family);
    this.name.varint(this.names.index(bytes, namePosition, namePosition + record.nameLength));
    this.flags.varint(record.flags);
  }
}
