import { structs } from './layout.js';
import { RecordCursor } from './record-cursor.js';

const field = structs.listener_record.fields;

/** Reads the records of FRAME_LISTENERS. What is counted are whole numbers, exact up to 2^53. */
export class ListenerCursor extends RecordCursor {
  constructor() {
    super('listeners', structs.listener_record);
  }

  /** How long the interval was that ended at `observedAtUs`. */
  get intervalUs(): number {
    return this.spanUs(field.interval_ns.offset);
  }
  /** As unsigned halves. */
  get socketCookieLow(): number {
    return this.u32(field.socket_cookie.offset);
  }
  get socketCookieHigh(): number {
    return this.u32(field.socket_cookie.offset + 4);
  }
  get localAddressPosition(): number {
    return this.position + field.local_address.offset;
  }
  get localPort(): number {
    return this.u16(field.local_port.offset);
  }

  get syns(): number {
    return this.count(field.syns.offset);
  }
  get synsRefusedAcceptQueueFull(): number {
    return this.count(field.syns_refused_accept_queue_full.offset);
  }
  get synsRefusedSynQueueFull(): number {
    return this.count(field.syns_refused_syn_queue_full.offset);
  }
  get synsRefusedUnexplained(): number {
    return this.count(field.syns_refused_unexplained.offset);
  }
  get synsAnsweredByCookie(): number {
    return this.count(field.syns_answered_by_cookie.offset);
  }
  get acksDroppedAcceptQueueFull(): number {
    return this.count(field.acks_dropped_accept_queue_full.offset);
  }
  get acksDroppedOnCookiePath(): number {
    return this.count(field.acks_dropped_on_cookie_path.offset);
  }
  /** −1 if not known. */
  get drops(): number {
    const { offset } = field.drops;
    return this.u32(offset) === 0xffffffff && this.u32(offset + 4) === 0xffffffff ? -1 : this.count(offset);
  }

  get acceptQueueLength(): number {
    return this.u32(field.accept_queue_length.offset);
  }
  get acceptQueueLimit(): number {
    return this.u32(field.accept_queue_limit.offset);
  }
  get acceptQueuePeak(): number {
    return this.u32(field.accept_queue_peak.offset);
  }
  get synQueueLength(): number {
    return this.u32(field.syn_queue_length.offset);
  }
  get synQueuePeak(): number {
    return this.u32(field.syn_queue_peak.offset);
  }

  /** UNKNOWN_U32 if not known. */
  get somaxconn(): number {
    return this.u32(field.somaxconn.offset);
  }
  /** UNKNOWN_U32 if not known. */
  get tcpMaxSynBacklog(): number {
    return this.u32(field.tcp_max_syn_backlog.offset);
  }
  /** UNKNOWN_U8 if not known. */
  get tcpSyncookies(): number {
    return this.u8(field.tcp_syncookies.offset);
  }
  /** UNKNOWN_U8 if not known. */
  get tcpAbortOnOverflow(): number {
    return this.u8(field.tcp_abort_on_overflow.offset);
  }

  private count(offset: number): number {
    return this.u32(offset + 4) * 4294967296 + this.u32(offset);
  }
}
