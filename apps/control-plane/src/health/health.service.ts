import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Readiness } from '@synscope/api-contract';
import { DatabasePool } from '../database/database-pool.js';
import { MIGRATIONS } from '../database/migrations/index.js';
import { type ReadinessCheck, ReadinessChecks } from './readiness-checks.js';

const CHECK_TIMEOUT_MS = 3_000;

@Injectable()
export class HealthService implements OnModuleInit {
  constructor(
    private readonly checks: ReadinessChecks,
    private readonly pool: DatabasePool,
  ) {}

  onModuleInit(): void {
    this.checks.add({ name: 'database', check: () => this.checkDatabase() });
  }

  async readiness(): Promise<Readiness> {
    const results = await Promise.all(this.checks.all().map(runCheck));
    return { status: results.every(({ ready }) => ready) ? 'ready' : 'not_ready', checks: results };
  }

  private async checkDatabase(): Promise<string | null> {
    const { rows } = await this.pool.query<{ number: number }>('SELECT number FROM schema_migration');
    const applied = new Set(rows.map(({ number }) => number));
    const missing = MIGRATIONS.filter(({ number }) => !applied.has(number)).map(({ name }) => name);
    return missing.length === 0 ? null : `migrations are missing: ${missing.join(', ')}`;
  }
}

async function runCheck({ name, check }: ReadinessCheck): Promise<Readiness['checks'][number]> {
  const reason = await Promise.race([
    check().catch((error: unknown) => (error instanceof Error ? error.message || error.name : String(error))),
    delay(CHECK_TIMEOUT_MS, `no answer within ${CHECK_TIMEOUT_MS} ms`, { ref: false }),
  ]);
  return { name, ready: reason === null, reason };
}
