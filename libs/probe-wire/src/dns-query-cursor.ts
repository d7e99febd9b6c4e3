import { structs } from './layout.js';
import { RecordCursor } from './record-cursor.js';

const field = structs.dns_query_record.fields;

/** Reads the records of FRAME_DNS_QUERIES. */
export class DnsQueryCursor extends RecordCursor {
  constructor() {
    super('DNS queries', structs.dns_query_record);
  }

  /** Query → answer, or → given up. */
  get elapsedUs(): number {
    return this.spanUs(field.elapsed_ns.offset);
  }
  /** The same for all queries of one lookup, below 2^52; 0 if not known. As unsigned halves. */
  get lookupIdLow(): number {
    return this.u32(field.lookup_id.offset);
  }
  get lookupIdHigh(): number {
    return this.u32(field.lookup_id.offset + 4);
  }

  get clientAddressPosition(): number {
    return this.position + field.client_address.offset;
  }
  get serverAddressPosition(): number {
    return this.position + field.server_address.offset;
  }
  get clientPort(): number {
    return this.u16(field.client_port.offset);
  }
  get serverPort(): number {
    return this.u16(field.server_port.offset);
  }

  get queryType(): number {
    return this.u16(field.query_type.offset);
  }
  get queryClass(): number {
    return this.u16(field.query_class.offset);
  }
  get messageId(): number {
    return this.u16(field.message_id.offset);
  }
  /** UNKNOWN_U16 without an answer. */
  get responseCode(): number {
    return this.u16(field.response_code.offset);
  }
  /** UNKNOWN_U16 without an answer. */
  get answerCount(): number {
    return this.u16(field.answer_count.offset);
  }
  /** From 1; 0 if not known. */
  get attempt(): number {
    return this.u16(field.attempt.offset);
  }
  /** DnsFlag. */
  get flags(): number {
    return this.u16(field.flags.offset);
  }
  get side(): number {
    return this.u8(field.side.offset);
  }
  get transport(): number {
    return this.u8(field.transport.offset);
  }
  get outcome(): number {
    return this.u8(field.outcome.offset);
  }

  /** The name in wire form (RFC 1035 §3.1), 1–255 bytes. That they are whole labels is the kernel's word only. */
  get namePosition(): number {
    return this.position + field.name.offset;
  }
  get nameLength(): number {
    return this.u8(field.name_length.offset);
  }
}
