import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import {
  encodeConfigure,
  FrameSplitter,
  FrameType,
  PROBE_WIRE_VERSION,
  type ProbeConfigured,
  type ProbeDiagnostic,
  type ProbeHello,
  type ProbeStats,
  ProbeWireError,
  parseConfigured,
  parseDiagnostic,
  parseHello,
  parseStats,
  type SlotSpec,
} from '@synscope/probe-wire';
import { LineSplitter } from './line-splitter.js';
import { type RecordFrame, RecordFrameReader } from './record-frame.js';

export interface ProbeListener {
  hello(hello: ProbeHello): void;
  records(frame: RecordFrame): void;
  stats(stats: ProbeStats): void;
  configured(configured: ProbeConfigured): void;
  diagnostic(diagnostic: ProbeDiagnostic): void;
  /** A line of its standard error. */
  output(line: string): void;
  /** Once, last. */
  ended(reason: ProbeEnd): void;
}

/** `unusable`: the next run would end the same way (no such file, not executable, another wire version). */
export interface ProbeEnd {
  readonly reason: string;
  readonly unusable: boolean;
}

/** How long the probe may take to end by itself once its stdin is closed, then once more after SIGTERM; milliseconds. */
const END_GRACE_MS = 2_000;

/** One run of synscope-probe: its frames in, configurations out. */
export class ProbeProcess {
  readonly pid: number | undefined;
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly recordFrames = new RecordFrameReader();
  private readonly splitter = new FrameSplitter((type, payload) => this.frame(type, payload));
  /** Why we killed it ourselves. */
  private killedFor: string | undefined;
  private greeted = false;
  private incompatible = false;

  constructor(
    path: string,
    private readonly listener: ProbeListener,
  ) {
    // Its own session of signals: Ctrl-C in a terminal must reach the agent alone, which then takes the sessions off in order.
    this.child = spawn(path, [], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    this.pid = this.child.pid;
    // EPIPE after the probe has ended: 'close' tells that.
    this.child.stdin.on('error', () => undefined);
    this.child.stdout.on('data', (chunk: Buffer) => this.receive(chunk));
    const lines = new LineSplitter((line) => listener.output(line));
    this.child.stderr.on('data', (chunk: Buffer) => lines.push(chunk));
    this.child.once('error', (error: NodeJS.ErrnoException) => {
      if (this.pid === undefined) this.ended({ reason: startFailure(path, error), unusable: true });
    });
    // 'close', not 'exit': everything that it wrote has been read by then.
    this.child.once('close', (code, signal) => {
      lines.end();
      if (this.pid !== undefined)
        this.ended({ reason: this.endReason(code, signal), unusable: this.incompatible });
    });
  }

  configure(revision: number, slots: readonly SlotSpec[]): void {
    this.child.stdin.write(encodeConfigure(revision, slots));
  }

  kill(reason: string): void {
    this.killedFor ??= reason;
    this.child.kill('SIGKILL');
  }

  /** Ends it in order: it detaches everything when its stdin closes. */
  async stop(): Promise<void> {
    if (this.pid === undefined || this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = new Promise<void>((resolve) => this.child.once('close', () => resolve()));
    this.child.stdin.end();
    const terminate = setTimeout(() => this.child.kill('SIGTERM'), END_GRACE_MS);
    const kill = setTimeout(() => this.child.kill('SIGKILL'), 2 * END_GRACE_MS);
    await closed;
    clearTimeout(terminate);
    clearTimeout(kill);
  }

  private receive(chunk: Buffer): void {
    if (this.killedFor !== undefined) return;
    try {
      this.splitter.push(chunk);
    } catch (error) {
      if (!(error instanceof ProbeWireError)) throw error;
      this.kill(error.message);
    }
  }

  private frame(type: number, payload: Buffer): void {
    if (!this.greeted && type !== FrameType.hello) {
      throw new ProbeWireError(`its first frame is of type ${type}, not HELLO`);
    }
    switch (type) {
      case FrameType.hello:
        this.greet(parseHello(payload));
        break;
      case FrameType.stats:
        this.listener.stats(parseStats(payload));
        break;
      case FrameType.configured:
        this.listener.configured(parseConfigured(payload));
        break;
      case FrameType.diagnostic:
        this.listener.diagnostic(parseDiagnostic(payload));
        break;
      default:
        this.records(type, payload);
    }
  }

  private records(type: number, payload: Buffer): void {
    const frame = this.recordFrames.read(type, payload);
    if (frame === undefined) throw new ProbeWireError(`it sent a frame of unknown type ${type}`);
    this.listener.records(frame);
  }

  private greet(hello: ProbeHello): void {
    if (hello.wireVersion !== PROBE_WIRE_VERSION) {
      this.incompatible = true;
      throw new ProbeWireError(
        `it speaks wire version ${hello.wireVersion}, this agent ${PROBE_WIRE_VERSION}: install the two from one release`,
      );
    }
    this.greeted = true;
    this.listener.hello(hello);
  }

  private ended(end: ProbeEnd): void {
    this.listener.ended(end);
  }

  private endReason(code: number | null, signal: NodeJS.Signals | null): string {
    if (this.killedFor !== undefined) return `the probe was ended: ${this.killedFor}`;
    return signal !== null ? `the probe was killed by ${signal}` : `the probe ended with status ${code}`;
  }
}

function startFailure(path: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOENT':
      return `the probe ${path} does not exist: build it, or name it by --probe`;
    case 'EACCES':
      return `the probe ${path} may not be executed by this user`;
    default:
      return `the probe ${path} could not be started: ${error.message}`;
  }
}
