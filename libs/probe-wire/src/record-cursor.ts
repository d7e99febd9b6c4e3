import { type FieldLayout, type StructLayout, structs } from './layout.js';
import { ProbeWireError } from './probe-wire-error.js';

const HEADER_SIZE = structs.records_header.size;
const TWO_POW_32 = 4294967296;
/** Records with names are as long as their names need, rounded up to this. */
const RECORD_ALIGNMENT = 8;

// 2^32 = 4294967 × 1000 + 296: lets nanoseconds of 64 bits be divided by 1000 exactly without BigInt.
const TWO_POW_32_BY_1000 = 4294967;
const TWO_POW_32_MOD_1000 = 296;

/** What the records of every kind have. */
interface RecordLayout extends StructLayout {
  readonly fields: Readonly<
    Record<'observed_ns' | 'slots' | 'cgroup_id' | 'revision' | 'netns' | 'pid' | 'process_name', FieldLayout>
  > &
    Readonly<Partial<Record<'name' | 'name_length', FieldLayout>>>;
}

/**
 * Reads the records of one kind of frame in place: where they begin and end, and what all kinds have. One cursor serves all frames of its
 * kind; it makes no object per record.
 *
 *     cursor.reset(payload);
 *     while (cursor.next()) use(cursor.pid, cursor.observedAtUs, …);
 *
 * Times are whole microseconds. A duration is rounded to the nearest (half up); a point in time is cut, so that a record never lies
 * in the future of the clock that it was read from.
 */
export abstract class RecordCursor {
  /** The payload that is being read; addresses and names are taken from here at their positions. */
  bytes: Buffer = Buffer.alloc(0);
  /** Of the current record, bytes from the start of `bytes`. */
  position = 0;
  /** Records of the payload. */
  recordCount = 0;

  private nextPosition = 0;
  private wallOffsetUs = 0;
  /** 0–999. */
  private wallOffsetRemainderNs = 0;

  private readonly observedOffset: number;
  private readonly slotsOffset: number;
  private readonly cgroupIdOffset: number;
  private readonly revisionOffset: number;
  private readonly netnsOffset: number;
  private readonly pidOffset: number;
  private readonly processNameOffset: number;
  /** Bytes of a record without its name. */
  private readonly fixedSize: number;
  /** −1 in records without names. */
  private readonly nameLengthOffset: number;

  /** `kind`: what a frame of them is called in errors. */
  protected constructor(
    private readonly kind: string,
    { size, fields }: RecordLayout,
  ) {
    this.observedOffset = fields.observed_ns.offset;
    this.slotsOffset = fields.slots.offset;
    this.cgroupIdOffset = fields.cgroup_id.offset;
    this.revisionOffset = fields.revision.offset;
    this.netnsOffset = fields.netns.offset;
    this.pidOffset = fields.pid.offset;
    this.processNameOffset = fields.process_name.offset;
    this.fixedSize = fields.name?.offset ?? size;
    this.nameLengthOffset = fields.name_length?.offset ?? -1;
  }

  /** `payload` must stay unchanged while the cursor reads it. Throws ProbeWireError if its records do not end where it ends. */
  reset(payload: Buffer): void {
    if (payload.length < HEADER_SIZE) {
      throw new ProbeWireError(`a ${this.kind} frame of ${payload.length} bytes has no whole header`);
    }
    this.bytes = payload;
    this.nextPosition = HEADER_SIZE;
    this.recordCount = 0;
    for (let position: number = HEADER_SIZE; position < payload.length; position = this.endOf(position)) {
      this.recordCount++;
    }
    const offsetNs = payload.readBigInt64LE(structs.records_header.fields.wall_offset_ns.offset);
    const offsetUs = BigInt.asIntN(64, offsetNs / 1000n - (offsetNs % 1000n < 0n ? 1n : 0n));
    this.wallOffsetUs = Number(offsetUs);
    this.wallOffsetRemainderNs = Number(offsetNs - offsetUs * 1000n);
  }

  next(): boolean {
    if (this.nextPosition >= this.bytes.length) return false;
    this.position = this.nextPosition;
    this.nextPosition = this.endOf(this.position);
    return true;
  }

  /** Microseconds since the Unix epoch by the host's wall clock. */
  get observedAtUs(): number {
    const low = this.u32(this.observedOffset);
    const high = this.u32(this.observedOffset + 4);
    const rest = high * TWO_POW_32_MOD_1000 + low;
    const restUs = Math.floor(rest / 1000);
    const carry = rest - restUs * 1000 + this.wallOffsetRemainderNs >= 1000 ? 1 : 0;
    return high * TWO_POW_32_BY_1000 + restUs + this.wallOffsetUs + carry;
  }

  /** Slots 0–31 and 32–63 that the record matched, as unsigned halves. */
  get slotsLow(): number {
    return this.u32(this.slotsOffset);
  }
  get slotsHigh(): number {
    return this.u32(this.slotsOffset + 4);
  }
  get revision(): number {
    return this.u32(this.revisionOffset);
  }

  get cgroupIdLow(): number {
    return this.u32(this.cgroupIdOffset);
  }
  get cgroupIdHigh(): number {
    return this.u32(this.cgroupIdOffset + 4);
  }
  get netns(): number {
    return this.u32(this.netnsOffset);
  }
  get pid(): number {
    return this.u32(this.pidOffset);
  }
  get processNamePosition(): number {
    return this.position + this.processNameOffset;
  }

  /** −1 if not measured. */
  protected durationUs(offset: number): number {
    const low = this.u32(offset);
    const high = this.u32(offset + 4);
    if (low === 0xffffffff && high === 0xffffffff) return -1;
    return roundedUs(low, high);
  }

  /** For what is always measured. */
  protected spanUs(offset: number): number {
    return roundedUs(this.u32(offset), this.u32(offset + 4));
  }

  protected u32(offset: number): number {
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

  protected u16(offset: number): number {
    const at = this.position + offset;
    return (this.bytes[at] as number) | ((this.bytes[at + 1] as number) << 8);
  }

  protected u8(offset: number): number {
    return this.bytes[this.position + offset] as number;
  }

  /** Where the record that begins here ends; within the payload. */
  private endOf(position: number): number {
    let end = position + this.fixedSize;
    if (this.nameLengthOffset >= 0 && end <= this.bytes.length) {
      const nameLength = this.bytes[position + this.nameLengthOffset] as number;
      if (nameLength === 0) throw new ProbeWireError(`a ${this.kind} frame has a record without a name`);
      end = position + roundUp(this.fixedSize + nameLength);
    }
    if (end > this.bytes.length) {
      throw new ProbeWireError(
        `a ${this.kind} frame of ${this.bytes.length} bytes ends within the record at byte ${position}`,
      );
    }
    return end;
  }
}

function roundedUs(low: number, high: number): number {
  return Math.floor((high * TWO_POW_32 + low + 500) / 1000);
}

function roundUp(size: number): number {
  return (size + RECORD_ALIGNMENT - 1) & -RECORD_ALIGNMENT;
}
