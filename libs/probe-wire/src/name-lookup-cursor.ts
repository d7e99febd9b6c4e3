import { structs } from './layout.js';
import { RecordCursor } from './record-cursor.js';

const field = structs.name_lookup_record.fields;

/** Reads the records of FRAME_NAME_LOOKUPS. */
export class NameLookupCursor extends RecordCursor {
  constructor() {
    super('name lookups', structs.name_lookup_record);
  }

  /** Call → return. */
  get latencyUs(): number {
    return this.spanUs(field.latency_ns.offset);
  }
  /** 0 or EAI_…, signed. */
  get resultCode(): number {
    return this.u32(field.result_code.offset) | 0;
  }
  get family(): number {
    return this.u16(field.family.offset);
  }
  /** NameLookupFlag. */
  get flags(): number {
    return this.u16(field.flags.offset);
  }

  /** The name as the application gave it, 1–255 bytes. */
  get namePosition(): number {
    return this.position + field.name.offset;
  }
  get nameLength(): number {
    return this.u8(field.name_length.offset);
  }
}
