import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Client, Packet } from './dns-packets.js';

const program = fileURLToPath(new URL('../.build/dns-parser', import.meta.url));

/** Which of the two programs gets the packets: those of the cgroup's own sockets on their way out, or on their way in. */
export type Direction = 'egress' | 'ingress';

/** What the kernel's programs made of one query. */
export interface RecordedQuery {
  /** As in Client. */
  readonly client: string;
  readonly port: number;
  /** Wire form in hexadecimal. */
  readonly name: string;
  /** Behind the name, in hexadecimal. */
  readonly padding: string;
  readonly serverPort: number;
  readonly type: number;
  readonly class: number;
  readonly id: number;
  readonly flags: number;
  readonly side: number;
  readonly transport: number;
}

/** Of all batches until now. */
export interface ParserCounters {
  readonly emitted: number;
  readonly ringFull: number;
  readonly pendingTableFull: number;
  readonly unfinished: number;
  readonly tcpStream: number;
  readonly malformed: number;
  readonly unsolicited: number;
}

interface Batch {
  readonly records: readonly RecordedQuery[];
  readonly counters: ParserCounters;
}

export const clientKey = ({ address, port }: Pick<Client, 'address' | 'port'>): string =>
  `${address} ${port}`;

/** The real DNS programs behind dns-parser.c, which tells its protocol. */
export class DnsParserProcess {
  private readonly process: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor() {
    this.process = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (!this.process.stdout) throw new Error('no stdout');
    this.process.stdin?.on('error', () => undefined); // EPIPE: it has ended, which the end of its lines tells
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  /** Feeds the packets, settles all queries and gives what was recorded. */
  async run(direction: Direction, packets: readonly Pick<Packet, 'bytes'>[]): Promise<Batch> {
    const header = (length: number) =>
      Buffer.from(Uint16Array.of(length, direction === 'egress' ? 0 : 1).buffer);
    const frames = packets.flatMap(({ bytes }) => [header(bytes.length), bytes]);
    this.process.stdin?.write(Buffer.concat([...frames, header(0)]));
    const records: RecordedQuery[] = [];
    for (;;) {
      const { value, done } = await this.lines.next();
      if (done) throw new Error('dns-parser has ended');
      const line = JSON.parse(value) as RecordedQuery | { readonly counters: ParserCounters };
      if ('counters' in line) return { records, counters: line.counters };
      records.push(line);
    }
  }

  async end(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const closed = once(this.process, 'close');
    this.process.stdin?.end();
    await closed;
  }
}
