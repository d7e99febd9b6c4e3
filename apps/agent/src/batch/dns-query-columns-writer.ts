import { type DnsQueryCursor, UNKNOWN_U16 } from '@synscope/probe-wire';
import type { SessionSet } from '../sessions/session-set.js';
import type { TextOf } from './byte-dictionary.js';
import { ColumnTable } from './column-table.js';
import type { ContainerOf } from './origin-columns.js';

/** Turns the probe's DNS queries into DnsQueryColumns of proto/synscope/agent/v1/records.proto. */
export class DnsQueryColumnsWriter {
  readonly table: ColumnTable;
  private readonly side;
  private readonly outcome;
  private readonly transport;
  private readonly clientAddress;
  private readonly serverAddress;
  private readonly clientPort;
  private readonly serverPort;
  private readonly elapsed;
  private readonly queryType;
  private readonly queryClass;
  private readonly messageId;
  private readonly responseCode;
  private readonly answerCount;
  private readonly lookupId;
  private readonly attempt;
  private readonly queryName;
  private readonly flags;
  private readonly queryNames;

  /** `queryNameOf`: what leaves this host of a name in wire form. */
  constructor(maxRows: number, containerOf: ContainerOf, queryNameOf: TextOf) {
    const table = new ColumnTable({ batchField: 4, firstOriginField: 19, maxRows }, containerOf);
    this.table = table;
    this.side = table.column(4);
    this.outcome = table.column(5);
    this.transport = table.column(6);
    this.clientAddress = table.addressColumn(7);
    this.serverAddress = table.addressColumn(8);
    this.clientPort = table.column(9);
    this.serverPort = table.column(10);
    this.elapsed = table.column(11);
    this.queryType = table.column(12);
    this.queryClass = table.column(13);
    this.messageId = table.column(14);
    this.responseCode = table.column(15);
    this.answerCount = table.column(16);
    this.lookupId = table.column(17);
    this.attempt = table.column(18);
    this.queryName = table.column(25);
    this.flags = table.column(26);
    this.queryNames = table.nameDictionary(queryNameOf);
  }

  /** Adds the cursor's current record. */
  append(record: DnsQueryCursor, sessions: SessionSet): void {
    this.table.beginRow(record, sessions);
    const { bytes, namePosition } = record;
    this.side.varint(record.side);
    this.outcome.varint(record.outcome);
    this.transport.varint(record.transport);
    this.clientAddress.address(bytes, record.clientAddressPosition);
    this.serverAddress.address(bytes, record.serverAddressPosition);
    this.clientPort.varint(record.clientPort);
    this.serverPort.varint(record.serverPort);
    this.elapsed.varint(record.elapsedUs);
    this.queryType.varint(record.queryType);
    this.queryClass.varint(record.queryClass);
    this.messageId.varint(record.messageId);
    this.responseCode.plusOne(record.responseCode, UNKNOWN_U16);
    this.answerCount.plusOne(record.answerCount, UNKNOWN_U16);
    this.lookupId.varint64(record.lookupIdLow, record.lookupIdHigh);
    this.attempt.varint(record.attempt);
    this.queryName.varint(this.queryNames.index(bytes, namePosition, namePosition + record.nameLength));
    this.flags.varint(record.flags);
  }
}
