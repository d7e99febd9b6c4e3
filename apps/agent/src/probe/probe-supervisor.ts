import { type ProbeConfigured, type ProbeHello, type ProbeStats, type SlotSpec } from '@synscope/probe-wire';
import { Backoff } from '../backoff.js';
import type { LossEntry } from '../batch/loss.js';
import type { Clock, Timer } from '../clock.js';
import type { Log } from '../log.js';
import { ProbeLoss } from './probe-loss.js';
import { type ProbeEnd, type ProbeListener, ProbeProcess } from './probe-process.js';
import { COUNTED_AS, type RecordFrame } from './record-frame.js';

export interface ProbeEvents {
  /** The probe is there and takes configurations. */
  up(hello: ProbeHello): void;
  /** It ended; it will be started again. */
  down(reason: string): void;
  /** It cannot be run; attempts go on, but sessions should not wait for them. */
  unavailable(reason: string): void;
  records(frame: RecordFrame): void;
  configured(configured: ProbeConfigured): void;
  loss(entry: LossEntry): void;
}

const RESTART_FIRST_MS = 200;
const RESTART_MAX_MS = 30_000;
/** A run this long counts as sound: the next restart is quick again. */
const SOUND_RUN_MS = 60_000;
/** Ends before HELLO in a row after which the probe counts as unavailable. */
const FAILED_STARTS_MAX = 3;
/** Loading and attaching takes well under a second; beyond this the probe hangs. */
const CONFIGURE_MAX_MS = 30_000;

/** Keeps synscope-probe running: starts it, starts it again with backoff, counts what a death lost. */
export class ProbeSupervisor {
  /** Of the current run, if any came. */
  lastStats: ProbeStats | undefined;
  lastHello: ProbeHello | undefined;
  private process: ProbeProcess | undefined;
  private readonly backoff = new Backoff(RESTART_FIRST_MS, RESTART_MAX_MS);
  private failedStarts = 0;
  private restart: Timer | undefined;
  private configureWatch: Timer | undefined;
  private stopped = false;

  constructor(
    private readonly path: string,
    private readonly events: ProbeEvents,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  get pid(): number | undefined {
    return this.process?.pid;
  }

  start(): void {
    const startedAtMs = this.clock.monotonicMs();
    const loss = new ProbeLoss(this.clock.wallUs());
    this.process = new ProbeProcess(this.path, this.listener(loss, startedAtMs));
  }

  configure(revision: number, slots: readonly SlotSpec[]): void {
    const { process } = this;
    if (process === undefined) return;
    process.configure(revision, slots);
    this.configureWatch?.cancel();
    this.configureWatch = this.clock.after(CONFIGURE_MAX_MS, () =>
      process.kill(`it did not answer a configuration within ${CONFIGURE_MAX_MS / 1000} s`),
    );
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.restart?.cancel();
    this.configureWatch?.cancel();
    await this.process?.stop();
  }

  private listener(loss: ProbeLoss, startedAtMs: number): ProbeListener {
    let greeted = false;
    let lastOutput = '';
    return {
      hello: (hello) => {
        greeted = true;
        this.failedStarts = 0;
        this.lastHello = hello;
        this.log.info({ version: hello.version, pid: this.pid }, 'probe is up');
        this.events.up(hello);
      },
      records: (frame) => {
        const probe = COUNTED_AS[frame.kind];
        if (probe !== undefined) loss.recordsReceived(probe, frame.cursor.recordCount);
        this.events.records(frame);
      },
      stats: (stats) => {
        this.lastStats = stats;
        for (const entry of loss.stats(stats)) this.events.loss(entry);
      },
      configured: (configured) => {
        this.configureWatch?.cancel();
        this.events.configured(configured);
      },
      diagnostic: ({ severity, code, message }) => {
        if (severity === 'error') lastOutput = message;
        this.log[severity === 'info' ? 'info' : 'warn']({ code, severity }, `probe: ${message}`);
      },
      output: (line) => {
        lastOutput = line;
        this.log.warn({ line }, 'probe wrote to its standard error');
      },
      ended: (end) => {
        this.configureWatch?.cancel();
        for (const entry of loss.ended(this.clock.wallUs())) this.events.loss(entry);
        const reason = lastOutput === '' ? end.reason : `${end.reason} (${lastOutput})`;
        this.ended({ ...end, reason }, greeted, this.clock.monotonicMs() - startedAtMs);
      },
    };
  }

  private ended(end: ProbeEnd, greeted: boolean, ranMs: number): void {
    this.process = undefined;
    this.lastStats = undefined;
    if (this.stopped) return;
    if (ranMs >= SOUND_RUN_MS) this.backoff.reset();
    const delayMs = this.backoff.nextBoundMs();
    this.log.warn({ reason: end.reason, restartInMs: delayMs }, 'probe is down');
    this.failedStarts = greeted ? 0 : this.failedStarts + 1;
    if (end.unusable || this.failedStarts >= FAILED_STARTS_MAX) this.events.unavailable(end.reason);
    else this.events.down(end.reason);
    this.restart = this.clock.after(delayMs, () => this.start());
  }
}
