import {
  type HandshakeCursor,
  PUBLIC_FLAGS_MASK,
  RecordFlag,
  UNKNOWN_U16,
  UNKNOWN_U32,
} from '@synscope/probe-wire';
import type { SessionSet } from '../sessions/session-set.js';
import { ColumnTable } from './column-table.js';
import type { ContainerOf } from './origin-columns.js';

/** Turns the probe's handshakes into HandshakeColumns of proto/synscope/agent/v1/records.proto. */
export class HandshakeColumnsWriter {
  readonly table: ColumnTable;
  private readonly role;
  private readonly outcome;
  private readonly localAddress;
  private readonly remoteAddress;
  private readonly localPort;
  private readonly remotePort;
  private readonly latency;
  private readonly acceptWait;
  private readonly srtt;
  private readonly synRetransmits;
  private readonly synAckRetransmits;
  private readonly clientIsn;
  private readonly serverIsn;
  private readonly flags;

  constructor(maxRows: number, containerOf: ContainerOf) {
    const table = new ColumnTable({ batchField: 2, firstOriginField: 17, maxRows }, containerOf);
    this.table = table;
    this.role = table.column(4);
    this.outcome = table.column(5);
    this.localAddress = table.addressColumn(6);
    this.remoteAddress = table.addressColumn(7);
    this.localPort = table.column(8);
    this.remotePort = table.column(9);
    this.latency = table.column(10);
    this.acceptWait = table.column(11);
    this.srtt = table.column(12);
    this.synRetransmits = table.column(13);
    this.synAckRetransmits = table.column(14);
    this.clientIsn = table.column(15);
    this.serverIsn = table.column(16);
    this.flags = table.column(23);
  }

  /** Adds the cursor's current record. */
  append(record: HandshakeCursor, sessions: SessionSet): void {
    this.table.beginRow(record, sessions);
    this.role.varint(record.role);
    this.outcome.varint(record.outcome);
    this.localAddress.address(record.bytes, record.localAddressPosition);
    this.remoteAddress.address(record.bytes, record.remoteAddressPosition);
    this.localPort.varint(record.localPort);
    this.remotePort.varint(record.remotePort);
    this.latency.plusOne(record.latencyUs, -1);
    this.acceptWait.plusOne(record.acceptWaitUs, -1);
    this.srtt.plusOne(record.srttUs, UNKNOWN_U32);
    this.synRetransmits.plusOne(record.synRetransmits, UNKNOWN_U16);
    this.synAckRetransmits.plusOne(record.synAckRetransmits, UNKNOWN_U16);
    const flags = record.flags;
    this.clientIsn.varint((flags & RecordFlag.clientIsnKnown) === 0 ? 0 : record.clientIsn + 1);
    this.serverIsn.varint((flags & RecordFlag.serverIsnKnown) === 0 ? 0 : record.serverIsn + 1);
    this.flags.varint(flags & PUBLIC_FLAGS_MASK);
  }
}
