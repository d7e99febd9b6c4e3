import { BatchRefusedError } from './batch-refused.error.js';
import { malformed, type WireReader, WireType } from './wire-reader.js';

/** HandshakeColumns.row_count is at most this. */
export const MAXIMUM_ROWS = 4_096;

/** Longest latency and accept wait that we believe: 24 h. tcp_syn_retries at its maximum of 127 gives up after about 4 h. */
export const MAXIMUM_LATENCY_US = 86_400_000_000;

/** Farthest that a record may lie from its batch's base time: 366 days, far beyond any spool. */
const MAXIMUM_DELTA_US = 366 * MAXIMUM_LATENCY_US;

const UINT32_MAX = 2 ** 32 - 1;

interface ColumnRange {
  /** Of synscope.agent.v1.HandshakeColumns. */
  readonly field: number;
  readonly name: string;
  readonly minimum: number;
  readonly maximum: number;
  /** Zigzag (sint64) on the wire. */
  readonly signed?: true;
}

/** What each number column may hold, as sent: for a …_plus_one column, 0 and the bound of the value plus one. */
export const COLUMN_RANGES = {
  observedAtDelta: {
    field: 3,
    name: 'observed_at_delta_us',
    minimum: -MAXIMUM_DELTA_US,
    maximum: MAXIMUM_DELTA_US,
    signed: true,
  },
  role: { field: 4, name: 'role', minimum: 1, maximum: 2 },
  outcome: { field: 5, name: 'outcome', minimum: 1, maximum: 6 },
  localPort: { field: 8, name: 'local_port', minimum: 0, maximum: 65_535 },
  remotePort: { field: 9, name: 'remote_port', minimum: 0, maximum: 65_535 },
  latencyPlusOne: { field: 10, name: 'latency_us_plus_one', minimum: 0, maximum: MAXIMUM_LATENCY_US + 1 },
  acceptWaitPlusOne: {
    field: 11,
    name: 'accept_wait_us_plus_one',
    minimum: 0,
    maximum: MAXIMUM_LATENCY_US + 1,
  },
  // Stored as integer: 2^31 − 1 µs are 36 minutes, and the kernel's own estimate ends far below.
  srttPlusOne: { field: 12, name: 'srtt_us_plus_one', minimum: 0, maximum: 2 ** 31 },
  // Stored as smallint.
  synRetransmitsPlusOne: { field: 13, name: 'syn_retransmits_plus_one', minimum: 0, maximum: 2 ** 15 },
  synAckRetransmitsPlusOne: { field: 14, name: 'syn_ack_retransmits_plus_one', minimum: 0, maximum: 2 ** 15 },
  clientIsnPlusOne: { field: 15, name: 'client_isn_plus_one', minimum: 0, maximum: UINT32_MAX + 1 },
  serverIsnPlusOne: { field: 16, name: 'server_isn_plus_one', minimum: 0, maximum: UINT32_MAX + 1 },
  netns: { field: 17, name: 'netns', minimum: 0, maximum: UINT32_MAX },
  // PID_MAX_LIMIT of include/linux/threads.h on 64-bit machines.
  pid: { field: 18, name: 'pid', minimum: 0, maximum: 4_194_304 },
  // A kernfs id: its upper half counts how often the 32-bit inode numbers wrapped round. 2^53 is what JSON numbers hold exactly.
  cgroupId: { field: 19, name: 'cgroup_id', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  processNameIndexPlusOne: {
    field: 20,
    name: 'process_name_index_plus_one',
    minimum: 0,
    maximum: MAXIMUM_ROWS,
  },
  containerIdIndexPlusOne: {
    field: 21,
    name: 'container_id_index_plus_one',
    minimum: 0,
    maximum: MAXIMUM_ROWS,
  },
  sessionSetIndex: { field: 22, name: 'session_set_index', minimum: 0, maximum: MAXIMUM_ROWS - 1 },
  // Stored as smallint; bits that this version does not know are kept.
  flags: { field: 23, name: 'flags', minimum: 0, maximum: 2 ** 15 - 1 },
} as const satisfies Record<string, ColumnRange>;

export type ColumnKey = keyof typeof COLUMN_RANGES;

/** One number column of the batch that is being read. The array is allocated once and used again for every batch. */
export class NumberColumn {
  readonly values = new Float64Array(MAXIMUM_ROWS);
  count = 0;

  constructor(readonly range: ColumnRange) {}

  /**
   * Takes the column's values from the wire: packed, as every proto3 encoder writes them, or one by one, as protobuf obliges readers
   * to accept, in any mixture.
   */
  read(reader: WireReader, wireType: number): void {
    if (wireType === WireType.LengthDelimited) {
      const length = reader.length();
      this.#readUntil(reader, reader.position + length);
    } else if (wireType === WireType.Varint) {
      const start = reader.position;
      reader.varint();
      const end = reader.position;
      reader.position = start;
      this.#readUntil(reader, end);
    } else {
      throw malformed(reader.message, `${this.range.name} has wire type ${wireType}`);
    }
  }

  /** The hot loop: written out here, because a call per number would cost more than all the rest of it. */
  #readUntil(reader: WireReader, end: number): void {
    const { bytes } = reader;
    const { values } = this;
    const { minimum, maximum, signed } = this.range;
    let { position } = reader;
    let { count } = this;
    while (position < end) {
      if (count === MAXIMUM_ROWS) {
        throw new BatchRefusedError(
          'out_of_range',
          `handshakes.${this.range.name} has more than ${MAXIMUM_ROWS} values`,
        );
      }
      let byte = bytes[position++] as number;
      let value = byte & 0x7f;
      for (let scale = 128; byte >= 0x80; scale *= 128) {
        if (position >= end || scale > 2 ** 63) {
          throw malformed(reader.message, `${this.range.name} ends within a number`);
        }
        byte = bytes[position++] as number;
        value += (byte & 0x7f) * scale;
      }
      if (signed) {
        const half = Math.floor(value / 2);
        value = half * 2 === value ? half : -half - 1;
      }
      if (!(value >= minimum && value <= maximum)) throw this.#outOfRange(value, count);
      values[count++] = value;
    }
    reader.position = position;
    this.count = count;
  }

  #outOfRange(value: number, row: number): BatchRefusedError {
    const { name, minimum, maximum } = this.range;
    return new BatchRefusedError(
      'out_of_range',
      `handshakes.${name}[${row}] is ${value}, outside ${minimum}–${maximum}`,
    );
  }
}

export type NumberColumns = { readonly [key in ColumnKey]: NumberColumn };

export function createNumberColumns(): NumberColumns {
  return Object.fromEntries(
    Object.entries(COLUMN_RANGES).map(([key, range]) => [key, new NumberColumn(range)]),
  ) as NumberColumns;
}
