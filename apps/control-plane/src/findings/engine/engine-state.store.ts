import { Injectable } from '@nestjs/common';
import type { FindingCode } from '@synscope/api-contract';
import { DataSource, type EntityManager } from 'typeorm';
import type { Snapshot } from '../../stored-batches/snapshot.js';

/** How long a replica keeps the work without a word; another one takes it up then. Milliseconds, a multiple of the time between rounds. */
const HELD_MS = 10_000;

export interface EngineState {
  /** By the database's clock. */
  readonly nowMs: number;
  /** What has been judged; null before the first round ever. */
  readonly judged: Snapshot | null;
}

export interface RuleFailure {
  readonly count: number;
  readonly message: string;
}

export type RuleFailures = Readonly<Partial<Record<FindingCode, RuleFailure>>>;

/** Whose turn it is: of all replicas one judges, and what it wrote and how far it came is one transaction. */
@Injectable()
export class EngineStateStore {
  constructor(private readonly database: DataSource) {}

  /** Takes the work up, or keeps it; null if another replica is at it. */
  async hold(holder: string): Promise<EngineState | null> {
    const [rows] = (await this.database.query(
      `UPDATE finding_engine SET holder = $1, held_until = clock_timestamp() + $2 * interval '1 millisecond'
        WHERE id = 1 AND (holder IS NULL OR holder = $1 OR held_until < clock_timestamp())
        RETURNING judged, extract(epoch FROM clock_timestamp()) * 1000 AS "nowMs"`,
      [holder, HELD_MS],
    )) as [{ readonly judged: Snapshot | null; readonly nowMs: string }[], number];
    const row = rows[0];
    return row ? { judged: row.judged, nowMs: Number(row.nowMs) } : null;
  }

  /** Lets another replica take over at once. */
  async release(holder: string): Promise<void> {
    await this.database.query('UPDATE finding_engine SET holder = NULL WHERE id = 1 AND holder = $1', [
      holder,
    ]);
  }

  /** Locks the work until the transaction ends. False if another replica has taken it over, or was further. */
  async lock(manager: EntityManager, holder: string, judged: Snapshot | null): Promise<boolean> {
    const rows: { judged: Snapshot | null }[] = await manager.query(
      'SELECT judged FROM finding_engine WHERE id = 1 AND holder = $1 FOR UPDATE',
      [holder],
    );
    return rows.length === 1 && (rows[0]?.judged?.next ?? null) === (judged?.next ?? null);
  }

  async advance(manager: EntityManager, judged: Snapshot): Promise<void> {
    await manager.query('UPDATE finding_engine SET judged = $1, judged_at = clock_timestamp() WHERE id = 1', [
      JSON.stringify(judged),
    ]);
  }

  async addFailures(manager: EntityManager, failures: ReadonlyMap<FindingCode, RuleFailure>): Promise<void> {
    if (failures.size === 0) return;
    const known = await this.failuresBy(manager);
    const added = [...failures].map(
      ([code, { count, message }]) => [code, { count: count + (known[code]?.count ?? 0), message }] as const,
    );
    await manager.query('UPDATE finding_engine SET rule_failures = rule_failures || $1::jsonb WHERE id = 1', [
      JSON.stringify(Object.fromEntries(added)),
    ]);
  }

  failures(): Promise<RuleFailures> {
    return this.failuresBy(this.database.manager);
  }

  private async failuresBy(manager: EntityManager): Promise<RuleFailures> {
    const rows: { failures: RuleFailures }[] = await manager.query(
      'SELECT rule_failures AS failures FROM finding_engine WHERE id = 1',
    );
    return rows[0]?.failures ?? {};
  }
}
