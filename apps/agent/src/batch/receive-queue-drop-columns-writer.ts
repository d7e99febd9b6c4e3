import type { ReceiveQueueDropCursor } from '@synscope/probe-wire';
import type { SessionSet } from '../sessions/session-set.js';
import { ColumnTable } from './column-table.js';
import type { ContainerOf } from './origin-columns.js';

/** Turns what sockets could not take into ReceiveQueueDropColumns of proto/synscope/agent/v1/records.proto. */
export class ReceiveQueueDropColumnsWriter {
  readonly table: ColumnTable;
  private readonly interval;
  private readonly drops;
  private readonly cause;
  private readonly side;
  private readonly localAddress;
  private readonly localPort;
  private readonly receiveBuffer;

  constructor(maxRows: number, containerOf: ContainerOf) {
    const table = new ColumnTable({ batchField: 6, firstOriginField: 11, maxRows }, containerOf);
    this.table = table;
    this.interval = table.column(4);
    this.drops = table.column(5);
    this.cause = table.column(6);
    this.side = table.column(7);
    this.localAddress = table.addressColumn(8);
    this.localPort = table.column(9);
    this.receiveBuffer = table.column(10);
  }

  /** Adds the cursor's current record. */
  append(record: ReceiveQueueDropCursor, sessions: SessionSet): void {
    this.table.beginRow(record, sessions);
    this.interval.varint(record.intervalUs);
    this.drops.varint64(record.dropsLow, record.dropsHigh);
    this.cause.varint(record.cause);
    this.side.varint(record.side);
    this.localAddress.address(record.bytes, record.localAddressPosition);
    this.localPort.varint(record.localPort);
    this.receiveBuffer.varint(record.receiveBufferBytes);
  }
}
