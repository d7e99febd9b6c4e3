/** A longer line is cut: a log entry, not a transport. */
const LINE_MAX_BYTES = 4096;

/** Cuts a byte stream into lines of text. */
export class LineSplitter {
  private rest = Buffer.alloc(0);

  constructor(private readonly onLine: (line: string) => void) {}

  push(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    let start = 0;
    for (let end = this.rest.indexOf(10); end >= 0; end = this.rest.indexOf(10, start)) {
      this.emit(this.rest.subarray(start, end));
      start = end + 1;
    }
    this.rest = this.rest.subarray(start);
    if (this.rest.length > LINE_MAX_BYTES) this.end();
  }

  end(): void {
    this.emit(this.rest);
    this.rest = Buffer.alloc(0);
  }

  private emit(line: Buffer): void {
    const text = line.toString('utf8', 0, LINE_MAX_BYTES).trimEnd();
    if (text !== '') this.onLine(text);
  }
}
