import { FRAME_PAYLOAD_MAX } from './constants.js';
import { structs } from './layout.js';
import { ProbeWireError } from './probe-wire-error.js';

/**
 * `payload` is a view, valid only until the call returns: copy what must be kept.
 */
export type FrameHandler = (type: number, payload: Buffer) => void;

const HEADER_SIZE = structs.frame_header.size;
const LENGTH_OFFSET = structs.frame_header.fields.length.offset;
const TYPE_OFFSET = structs.frame_header.fields.type.offset;

/**
 * Cuts a byte stream into frames, wherever the borders of its chunks fall. A frame that lies within one chunk is handed on without a
 * copy; one that spans several is put together once, in a buffer of its own size.
 */
export class FrameSplitter {
  private readonly header = Buffer.alloc(HEADER_SIZE);
  private headerFilled = 0;
  /** The frame being put together; undefined between frames and within a header. */
  private partial: { readonly type: number; readonly payload: Buffer; filled: number } | undefined;

  constructor(private readonly onFrame: FrameHandler) {}

  /** Throws ProbeWireError on a payload that is longer than the wire allows; the splitter must not be used after that. */
  push(chunk: Buffer): void {
    let position = this.finishPartial(chunk, 0);
    while (position < chunk.length) {
      if (this.headerFilled > 0 || chunk.length - position < HEADER_SIZE) {
        position = this.collectHeader(chunk, position);
        if (this.headerFilled < HEADER_SIZE) return;
        this.headerFilled = 0;
        position = this.frame(this.header, 0, chunk, position);
      } else {
        position = this.frame(chunk, position, chunk, position + HEADER_SIZE);
      }
    }
  }

  /** True if the stream may end here; false in the middle of a frame. */
  get atFrameBorder(): boolean {
    return this.partial === undefined && this.headerFilled === 0;
  }

  private collectHeader(chunk: Buffer, position: number): number {
    const taken = Math.min(HEADER_SIZE - this.headerFilled, chunk.length - position);
    chunk.copy(this.header, this.headerFilled, position, position + taken);
    this.headerFilled += taken;
    return position + taken;
  }

  private frame(header: Buffer, headerPosition: number, chunk: Buffer, position: number): number {
    const length = header.readUInt32LE(headerPosition + LENGTH_OFFSET);
    const type = header.readUInt16LE(headerPosition + TYPE_OFFSET);
    if (length > FRAME_PAYLOAD_MAX) {
      throw new ProbeWireError(
        `a frame of type ${type} announces ${length} bytes, more than ${FRAME_PAYLOAD_MAX}: this is not the probe's wire`,
      );
    }
    const end = position + length;
    if (end <= chunk.length) {
      this.onFrame(type, chunk.subarray(position, end));
      return end;
    }
    this.partial = { type, payload: Buffer.allocUnsafe(length), filled: 0 };
    return this.finishPartial(chunk, position);
  }

  private finishPartial(chunk: Buffer, position: number): number {
    const partial = this.partial;
    if (partial === undefined) return position;
    const taken = Math.min(partial.payload.length - partial.filled, chunk.length - position);
    chunk.copy(partial.payload, partial.filled, position, position + taken);
    partial.filled += taken;
    if (partial.filled === partial.payload.length) {
      this.partial = undefined;
      this.onFrame(partial.type, partial.payload);
    }
    return position + taken;
  }
}
