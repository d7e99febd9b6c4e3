import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FrameSplitter, FrameType, type ProbeConfigured, type ProbeStats } from '@synscope/probe-wire';
import { EventQueue } from './event-queue.js';
import { handshakesPayload, type RecordValues } from './record-bytes.js';

export const HOOKS = ['cgroup_sockops', 'tp_btf/tcp_retransmit_synack'];

export const HELLO = {
  wireVersion: 1,
  version: '0.1.0',
  kernel: '6.18.0',
  architecture: 'x86_64',
  capabilities: [{ name: 'tcp_handshake.client', available: true, detail: '' }],
};

/** A configuration as far as tests look at it. */
export interface ReceivedConfigure {
  readonly revision: number;
  readonly slots: readonly number[];
}

type Answer = Omit<ProbeConfigured, 'revision'> | undefined;

/** One process that the agent has started. */
export class StandInRun {
  readonly configures = new EventQueue<ReceivedConfigure>();
  readonly ended: Promise<void>;

  constructor(
    readonly pid: number,
    private readonly socket: Socket,
    private readonly answer: (configure: ReceivedConfigure) => Answer,
  ) {
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
    const splitter = new FrameSplitter((_type, payload) => this.configured(payload));
    socket.on('data', (chunk: Buffer) => splitter.push(chunk));
    socket.on('error', () => undefined);
  }

  send(type: number, payload: Buffer): void {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(payload.length, 0);
    header.writeUInt16LE(type, 4);
    this.socket.write(Buffer.concat([header, payload]));
  }

  sendJson(type: number, value: object): void {
    this.send(type, Buffer.from(JSON.stringify(value)));
  }

  sendRecords(records: readonly RecordValues[], wallOffsetNs = 1_795_000_000_000_000_000n): void {
    this.send(FrameType.handshakes, handshakesPayload(wallOffsetNs, records));
  }

  sendStats(change: Partial<ProbeStats>): void {
    this.sendJson(FrameType.stats, { ...NO_STATS, ...change });
  }

  sendConfigured(revision: number, answer: Omit<ProbeConfigured, 'revision'>): void {
    this.sendJson(FrameType.configured, { revision, ...answer });
  }

  kill(): void {
    process.kill(this.pid, 'SIGKILL');
  }

  private configured(payload: Buffer): void {
    const configure = readConfigure(payload);
    this.configures.push(configure);
    const answer = this.answer(configure);
    if (answer !== undefined) this.sendConfigured(configure.revision, answer);
  }
}

const NO_STATS: ProbeStats = {
  monotonicNs: 1_000_000_000,
  wallOffsetNs: 1_795_000_000_000_000_000,
  offered: 0,
  emitted: 0,
  loss: { ringFull: 0, pendingTableFull: 0, unfinishedAtDetach: 0 },
  bpf: { runTimeNs: 1000, runCount: 10, sampledNs: 1_000_000 },
  residentBytes: 3_000_000,
  cpuUs: 5000,
};

/**
 * Stands in for synscope-probe where a test must decide what the probe says and when it dies. The agent starts a real process and speaks
 * with it over real pipes; that process does nothing but relay both to this object, where the test is.
 */
export class StandInProbe {
  /** What the agent is to start. */
  readonly path: string;
  readonly runs = new EventQueue<StandInRun>();
  /** Undefined: the test sends the answer itself. */
  answer: (configure: ReceivedConfigure) => Answer = ({ slots }) => ({
    attached: slots.length > 0,
    hooks: slots.length > 0 ? HOOKS : [],
    errors: [],
  });
  hello: object = HELLO;

  private readonly folder = mkdtempSync(join(tmpdir(), 'synscope-stand-in-'));
  private readonly server: Server;

  private constructor() {
    this.path = join(this.folder, 'probe.mjs');
    const address = join(this.folder, 'socket');
    writeFileSync(this.path, relay(address), { mode: 0o755 });
    this.server = createServer((socket) => this.accepted(socket));
  }

  static async start(): Promise<StandInProbe> {
    const probe = new StandInProbe();
    await new Promise<void>((resolve) => probe.server.listen(join(probe.folder, 'socket'), resolve));
    return probe;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }

  private accepted(socket: Socket): void {
    socket.once('data', (pid: Buffer) => {
      const run = new StandInRun(pid.readUInt32LE(0), socket, (configure) => this.answer(configure));
      run.sendJson(FrameType.hello, this.hello);
      this.runs.push(run);
    });
  }
}

/** Its pid first, then everything to and fro; it ends when its stdin closes, as the real one does. */
function relay(address: string): string {
  return `#!${process.execPath}
import { connect } from 'node:net';
const socket = connect(${JSON.stringify(address)});
const pid = Buffer.alloc(4);
pid.writeUInt32LE(process.pid);
socket.write(pid);
process.stdin.pipe(socket);
socket.pipe(process.stdout);
socket.on('error', () => process.exit(1));
process.stdin.on('end', () => process.exit(0));
`;
}

function readConfigure(payload: Buffer): ReceivedConfigure {
  const slots: number[] = [];
  let at = 8;
  for (let i = 0; i < payload.readUInt32LE(4); i++) {
    slots.push(payload.readUInt8(at + 12));
    const ports = payload.readUInt16LE(at + 16) + payload.readUInt16LE(at + 18);
    at += 24 + 2 * ports + 17 * payload.readUInt16LE(at + 20) + 16 * payload.readUInt16LE(at + 22);
  }
  return { revision: payload.readUInt32LE(0), slots };
}
