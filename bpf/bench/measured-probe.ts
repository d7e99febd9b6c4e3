import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  DnsQueryCursor,
  encodeConfigure,
  FrameSplitter,
  FrameType,
  HandshakeCursor,
  type ProbeStats,
  parseConfigured,
  parseStats,
  type SlotSpec,
} from '@synscope/probe-wire';
import { built } from './load.ts';

/** The real probe. It consumes its records by counting them. */
export class MeasuredProbe {
  records = 0;
  stats: ProbeStats | undefined;
  private revision = 0;
  private configured: (() => void) | undefined;
  private readonly process: ChildProcess;
  private readonly handshakes = new HandshakeCursor();
  private readonly dnsQueries = new DnsQueryCursor();

  constructor(...extra: string[]) {
    this.process = spawn(built('synscope-probe'), extra, { stdio: ['pipe', 'pipe', 'inherit'] });
    const splitter = new FrameSplitter((type, payload) => this.receive(type, payload));
    this.process.stdout?.on('data', (chunk: Buffer) => splitter.push(chunk));
  }

  private receive(type: number, payload: Buffer): void {
    if (type === FrameType.handshakes) {
      this.handshakes.reset(payload);
      this.records += this.handshakes.recordCount;
    } else if (type === FrameType.dnsQueries) {
      this.dnsQueries.reset(payload);
      this.records += this.dnsQueries.recordCount;
    } else if (type === FrameType.stats) {
      this.stats = parseStats(payload);
    } else if (type === FrameType.configured) {
      const { errors } = parseConfigured(payload);
      if (errors.length > 0) throw new Error(errors.map((error) => error.message).join('; '));
      this.configured?.();
    }
  }

  /** When it is done, all records and figures of what was configured before have come. */
  async configure(...slots: SlotSpec[]): Promise<void> {
    const answered = new Promise<void>((resolve) => {
      this.configured = resolve;
    });
    this.process.stdin?.write(encodeConfigure(++this.revision, slots));
    await answered;
  }

  async end(): Promise<void> {
    this.process.stdin?.end();
    await once(this.process, 'close');
  }
}
