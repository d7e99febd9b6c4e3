import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { FindingCode } from '@synscope/api-contract';
import { DataSource } from 'typeorm';
import { Configuration } from '../../config/configuration.js';
import { isDatabaseUnavailable } from '../../database/database-unavailable.js';
import type { Snapshot } from '../../stored-batches/snapshot.js';
import { ArrivalReader, type Round } from './arrival-reader.js';
import { type EngineState, EngineStateStore, type RuleFailure } from './engine-state.store.js';
import { FindingMetrics } from './finding.metrics.js';
import { FindingWriter } from './finding-writer.js';
import { groupVerdicts } from './merge.js';
import { type RuleError, RuleRunner } from './rule-runner.js';

/** Between two rounds. Milliseconds. */
const ROUND_INTERVAL_MS = 1_000;
/**
 * What arrived is judged this long after: until then its other end, and what the listener and the resolver counted in that second, are there
 * too. Milliseconds.
 */
const PATIENCE_MS = 2_500;
/** How often it is looked for what is over. Milliseconds. */
const UPKEEP_INTERVAL_MS = 5_000;
/** Resolved findings are kept this long. Milliseconds. */
const KEPT_MS = 90 * 86_400_000;

/**
 * Turns what is stored into findings. Every replica has one, and one of them works at a time: it reads what was committed to the ledger since,
 * keeps in memory what a record is judged by, asks the rules, and writes their verdicts in one transaction with how far it came. So each
 * record is judged once, whoever dies when, and whatever the clocks say.
 */
@Injectable()
export class FindingEngine implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('FindingEngine');
  private readonly holder = randomUUID();
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | null = null;
  private stopped = false;
  private upkeepAtMs = 0;
  private judged: Snapshot | null = null;
  private readonly reported = new Map<FindingCode, number>();

  constructor(
    private readonly database: DataSource,
    private readonly state: EngineStateStore,
    private readonly arrivals: ArrivalReader,
    private readonly rules: RuleRunner,
    private readonly writer: FindingWriter,
    private readonly configuration: Configuration,
    private readonly metrics: FindingMetrics,
  ) {}

  onApplicationBootstrap(): void {
    this.schedule(0);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
    await this.state.release(this.holder).catch(() => undefined);
  }

  private schedule(delayMs: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.running = this.round().then((behind) => {
        this.running = null;
        this.schedule(behind ? 0 : ROUND_INTERVAL_MS);
      });
    }, delayMs).unref();
  }

  /** Whether there is more to do at once. */
  private async round(): Promise<boolean> {
    const end = this.metrics.roundSeconds.startTimer();
    try {
      const state = await this.state.hold(this.holder);
      this.metrics.judging.set(state ? 1 : 0);
      if (state === null) {
        // Whoever is at it goes on from where it is, and so will this one when its turn comes.
        this.arrivals.forget();
        return false;
      }
      return await this.work(state);
    } catch (error) {
      if (isDatabaseUnavailable(error) || this.stopped)
        this.logger.debug(`no round of judging: ${String(error)}`);
      else this.logger.error(error, 'unexpected error while judging what arrived');
      // What was read and not judged is read again.
      this.arrivals.forget();
      return false;
    } finally {
      end();
    }
  }

  private async work({ judged, nowMs }: EngineState): Promise<boolean> {
    if (judged?.next !== this.judged?.next) this.arrivals.forget();
    this.judged = judged ?? (await this.begin());
    const behind = await this.arrivals.read(this.judged, nowMs);
    for (
      let round = this.arrivals.due(nowMs - PATIENCE_MS);
      round;
      round = this.arrivals.due(nowMs - PATIENCE_MS)
    ) {
      if (!(await this.judge(round, nowMs))) return false;
    }
    if (!behind) await this.keepUp(nowMs);
    return behind;
  }

  /** The past of before the first round is not judged. */
  private async begin(): Promise<Snapshot> {
    const now = await this.arrivals.now();
    await this.database.transaction(async (manager) => {
      if (await this.state.lock(manager, this.holder, null)) await this.state.advance(manager, now);
    });
    return now;
  }

  private async judge(round: Round, nowMs: number): Promise<boolean> {
    const { verdicts, errors } = await this.rules.judge(round.arrivals, this.arrivals.memory);
    const failures = this.noteErrors(errors);
    const opened = await this.database.transaction(async (manager) => {
      if (!(await this.state.lock(manager, this.holder, this.judged))) return null;
      const written = await this.writer.write(manager, groupVerdicts(verdicts), round.readMs, nowMs);
      await this.state.addFailures(manager, failures);
      await this.state.advance(manager, round.end);
      return written;
    });
    if (opened === null) {
      // Another replica took over.
      this.arrivals.forget();
      return false;
    }
    this.judged = round.end;
    this.arrivals.done(round);
    this.metrics.opened.inc(opened);
    return true;
  }

  private noteErrors(errors: readonly RuleError[]): ReadonlyMap<FindingCode, RuleFailure> {
    const failures = new Map<FindingCode, RuleFailure>();
    for (const { code, error } of errors) {
      const message = error instanceof Error ? error.message : String(error);
      failures.set(code, { count: (failures.get(code)?.count ?? 0) + 1, message: message.slice(0, 500) });
      this.metrics.ruleFailures.inc({ code });
      // Once a minute: a rule that fails does so for every record.
      const nowMs = Date.now();
      if (nowMs - (this.reported.get(code) ?? 0) < 60_000) continue;
      this.reported.set(code, nowMs);
      this.logger.error(error, `the rule ${code} failed; the others go on`);
    }
    return failures;
  }

  private async keepUp(nowMs: number): Promise<void> {
    if (nowMs - this.upkeepAtMs < UPKEEP_INTERVAL_MS) return;
    this.upkeepAtMs = nowMs;
    const silentSince = new Date(nowMs - this.configuration.findingResolveAfterSeconds * 1_000);
    await this.database.transaction(async (manager) => {
      if (!(await this.state.lock(manager, this.holder, this.judged))) return;
      this.metrics.resolved.inc(await this.writer.resolveSilent(manager, silentSince));
      await this.writer.prune(manager, new Date(nowMs - KEPT_MS));
    });
  }
}
