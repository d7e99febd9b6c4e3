/** Below this, an allocation costs less than the book-keeping. */
const SMALLEST_BYTES = 16 * 1024;
const SIZE_STEP_BYTES = 64 * 1024;

/**
 * Buffers that are used again. Rows of a batch take some hundred KiB for some tens of milliseconds: allocated anew each time, such memory is
 * handed back to the kernel and faulted in again page by page, which together with the garbage collection that it causes costs more than writing
 * the rows.
 */
export class BufferPool {
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;

  /** Keeps at most this much memory that nobody uses. */
  constructor(private readonly maximumIdleBytes: number) {}

  /** A copy of these bytes. */
  copyOf(bytes: Uint8Array): Buffer {
    if (bytes.length < SMALLEST_BYTES) return Buffer.from(bytes);
    const size = Math.ceil(bytes.length / SIZE_STEP_BYTES) * SIZE_STEP_BYTES;
    const buffer = this.#take(size) ?? Buffer.allocUnsafeSlow(size);
    buffer.set(bytes);
    return buffer.subarray(0, bytes.length);
  }

  /** Gives a copy back. Nobody may use it any more. */
  recycle(copy: Buffer): void {
    const size = copy.buffer.byteLength;
    if (copy.length < SMALLEST_BYTES || this.#idleBytes + size > this.maximumIdleBytes) return;
    const idle = this.#idle.get(size);
    const whole = Buffer.from(copy.buffer);
    if (idle) idle.push(whole);
    else this.#idle.set(size, [whole]);
    this.#idleBytes += size;
  }

  #take(size: number): Buffer | undefined {
    const buffer = this.#idle.get(size)?.pop();
    if (buffer) this.#idleBytes -= size;
    return buffer;
  }
}
