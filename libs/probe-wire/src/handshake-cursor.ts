import { structs } from './layout.js';
import { RecordCursor } from './record-cursor.js';

const field = structs.handshake_record.fields;

/** Reads the records of FRAME_HANDSHAKES. */
export class HandshakeCursor extends RecordCursor {
  constructor() {
    super('handshakes', structs.handshake_record);
  }

  /** −1 if not measured. */
  get latencyUs(): number {
    return this.durationUs(field.latency_ns.offset);
  }
  /** −1 if not measured. */
  get acceptWaitUs(): number {
    return this.durationUs(field.accept_wait_ns.offset);
  }

  get localAddressPosition(): number {
    return this.position + field.local_address.offset;
  }
  get remoteAddressPosition(): number {
    return this.position + field.remote_address.offset;
  }

  /** Valid if `flags` has RecordFlag.clientIsnKnown. */
  get clientIsn(): number {
    return this.u32(field.client_isn.offset);
  }
  /** Valid if `flags` has RecordFlag.serverIsnKnown. */
  get serverIsn(): number {
    return this.u32(field.server_isn.offset);
  }
  /** UNKNOWN_U32 if not measured. */
  get srttUs(): number {
    return this.u32(field.srtt_us.offset);
  }
  get localPort(): number {
    return this.u16(field.local_port.offset);
  }
  get remotePort(): number {
    return this.u16(field.remote_port.offset);
  }
  /** UNKNOWN_U16 if not measured. */
  get synRetransmits(): number {
    return this.u16(field.syn_retransmits.offset);
  }
  /** UNKNOWN_U16 if not measured. */
  get synAckRetransmits(): number {
    return this.u16(field.syn_ack_retransmits.offset);
  }
  get flags(): number {
    return this.u16(field.flags.offset);
  }
  get role(): number {
    return this.u8(field.role.offset);
  }
  get outcome(): number {
    return this.u8(field.outcome.offset);
  }
}
