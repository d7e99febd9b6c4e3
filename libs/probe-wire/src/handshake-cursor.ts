import { structs } from './layout.js';
import { ProbeWireError } from './probe-wire-error.js';

const HEADER_SIZE = structs.handshakes_header.size;
const RECORD_SIZE = structs.handshake_record.size;
const field = structs.handshake_record.fields;
const TWO_POW_32 = 4294967296;

// 2^32 = 4294967 × 1000 + 296: lets nanoseconds of 64 bits be divided by 1000 exactly without BigInt.
const TWO_POW_32_BY_1000 = 4294967;
const TWO_POW_32_MOD_1000 = 296;

/**
 * Reads the records of FRAME_HANDSHAKES in place. One cursor serves all frames; it makes no object per record.
 *
 *     cursor.reset(payload);
 *     while (cursor.next()) use(cursor.role, cursor.latencyUs, …);
 *
 * Times are whole microseconds. A duration is rounded to the nearest (half up); a point in time is cut, so that a record never lies
 * in the future of the clock that it was read from.
 */
export class HandshakeCursor {
  /** The payload that is being read; addresses and names are taken from here at `position`. */
  bytes: Buffer = Buffer.alloc(0);
  /** Of the current record, bytes from the start of `bytes`. */
  position = 0;

  private nextPosition = 0;
  private wallOffsetUs = 0;
  /** 0–999. */
  private wallOffsetRemainderNs = 0;

  /** `payload` must stay unchanged while the cursor reads it. Throws ProbeWireError if it is no whole number of records. */
  reset(payload: Buffer): void {
    if (payload.length < HEADER_SIZE || (payload.length - HEADER_SIZE) % RECORD_SIZE !== 0) {
      throw new ProbeWireError(
        `a handshakes frame of ${payload.length} bytes is not ${HEADER_SIZE} plus a multiple of ${RECORD_SIZE}`,
      );
    }
    this.bytes = payload;
    this.nextPosition = HEADER_SIZE;
    const offsetNs = payload.readBigInt64LE(structs.handshakes_header.fields.wall_offset_ns.offset);
    const offsetUs = BigInt.asIntN(64, offsetNs / 1000n - (offsetNs % 1000n < 0n ? 1n : 0n));
    this.wallOffsetUs = Number(offsetUs);
    this.wallOffsetRemainderNs = Number(offsetNs - offsetUs * 1000n);
  }

  get recordCount(): number {
    return (this.bytes.length - HEADER_SIZE) / RECORD_SIZE;
  }

  next(): boolean {
    if (this.nextPosition >= this.bytes.length) return false;
    this.position = this.nextPosition;
    this.nextPosition += RECORD_SIZE;
    return true;
  }

  /** Microseconds since the Unix epoch by the host's wall clock. */
  get observedAtUs(): number {
    const low = this.u32(field.observed_ns.offset);
    const high = this.u32(field.observed_ns.offset + 4);
    const rest = high * TWO_POW_32_MOD_1000 + low;
    const restUs = Math.floor(rest / 1000);
    const carry = rest - restUs * 1000 + this.wallOffsetRemainderNs >= 1000 ? 1 : 0;
    return high * TWO_POW_32_BY_1000 + restUs + this.wallOffsetUs + carry;
  }

  /** Slots 0–31 and 32–63 that the record matched, as unsigned halves. */
  get slotsLow(): number {
    return this.u32(field.slots.offset);
  }
  get slotsHigh(): number {
    return this.u32(field.slots.offset + 4);
  }

  /** −1 if not measured. */
  get latencyUs(): number {
    return this.durationUs(field.latency_ns.offset);
  }
  /** −1 if not measured. */
  get acceptWaitUs(): number {
    return this.durationUs(field.accept_wait_ns.offset);
  }

  get cgroupIdLow(): number {
    return this.u32(field.cgroup_id.offset);
  }
  get cgroupIdHigh(): number {
    return this.u32(field.cgroup_id.offset + 4);
  }

  get localAddressPosition(): number {
    return this.position + field.local_address.offset;
  }
  get remoteAddressPosition(): number {
    return this.position + field.remote_address.offset;
  }
  get processNamePosition(): number {
    return this.position + field.process_name.offset;
  }

  get revision(): number {
    return this.u32(field.revision.offset);
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
  get netns(): number {
    return this.u32(field.netns.offset);
  }
  get pid(): number {
    return this.u32(field.pid.offset);
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
    return this.bytes[this.position + field.role.offset] as number;
  }
  get outcome(): number {
    return this.bytes[this.position + field.outcome.offset] as number;
  }

  private durationUs(offset: number): number {
    const low = this.u32(offset);
    const high = this.u32(offset + 4);
    if (low === 0xffffffff && high === 0xffffffff) return -1;
    return Math.floor((high * TWO_POW_32 + low + 500) / 1000);
  }

  private u32(offset: number): number {
    const bytes = this.bytes;
    const at = this.position + offset;
    return (
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)) >>>
      0
    );
  }

  private u16(offset: number): number {
    const at = this.position + offset;
    return (this.bytes[at] as number) | ((this.bytes[at + 1] as number) << 8);
  }
}
