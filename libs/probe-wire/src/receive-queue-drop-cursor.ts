import { structs } from './layout.js';
import { RecordCursor } from './record-cursor.js';

const field = structs.receive_queue_drop_record.fields;

/** Reads the records of FRAME_RECEIVE_QUEUE_DROPS. */
export class ReceiveQueueDropCursor extends RecordCursor {
  constructor() {
    super('receive queue drops', structs.receive_queue_drop_record);
  }

  /** How long the interval was that ended at `observedAtUs`. */
  get intervalUs(): number {
    return this.spanUs(field.interval_ns.offset);
  }
  /** Datagrams, as unsigned halves. */
  get dropsLow(): number {
    return this.u32(field.drops.offset);
  }
  get dropsHigh(): number {
    return this.u32(field.drops.offset + 4);
  }
  get localAddressPosition(): number {
    return this.position + field.local_address.offset;
  }
  get localPort(): number {
    return this.u16(field.local_port.offset);
  }
  get receiveBufferBytes(): number {
    return this.u32(field.receive_buffer_bytes.offset);
  }
  get cause(): number {
    return this.u8(field.cause.offset);
  }
  get side(): number {
    return this.u8(field.side.offset);
  }
}
