import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { StartupError } from '../lifecycle/startup-error.js';
import { isDatabaseUnavailable } from './database-unavailable.js';
import { migrateUp } from './migration-runner.js';
import { MIGRATIONS } from './migrations/index.js';

const RETRY_INTERVAL_MS = 500;

export interface PrepareDatabaseOptions {
  readonly databaseUrl: string;
  /** How long to wait for a database that does not answer. */
  readonly waitSeconds: number;
  readonly log: (message: string) => void;
}

/** Waits until the database answers, then brings its schema up to date. */
export async function prepareDatabase({
  databaseUrl,
  waitSeconds,
  log,
}: PrepareDatabaseOptions): Promise<void> {
  const client = await connectWithRetry(databaseUrl, waitSeconds, log);
  try {
    const applied = await migrateUp(client, MIGRATIONS);
    if (applied.length > 0) log(`applied the migrations ${applied.join(', ')}`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function connectWithRetry(
  databaseUrl: string,
  waitSeconds: number,
  log: (message: string) => void,
): Promise<pg.Client> {
  const deadline = Date.now() + waitSeconds * 1_000;
  for (let attempt = 1; ; attempt++) {
    const client = new pg.Client({
      connectionString: databaseUrl,
      connectionTimeoutMillis: 5_000,
      application_name: 'synscope',
    });
    // A connection lost between two statements is reported here; the next statement fails with it anyway.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      const where = describeDatabase(databaseUrl);
      const reason = connectReason(error);
      if (!isDatabaseUnavailable(error)) {
        throw new StartupError(
          `DATABASE_URL: the database at ${where} refused the connection (${reason}). Check user, password and database name`,
        );
      }
      if (Date.now() >= deadline) {
        throw new StartupError(
          `DATABASE_URL: the database at ${where} cannot be reached (${reason}; tried for ${waitSeconds} s). Start it, or correct the address`,
        );
      }
      if (attempt === 1) log(`waiting up to ${waitSeconds} s for the database at ${where} (${reason})`);
      await delay(Math.min(RETRY_INTERVAL_MS, Math.max(deadline - Date.now(), 0)));
    }
  }
}

/** The part of the URL that is safe to show: no user, no password. */
function describeDatabase(databaseUrl: string): string {
  const { host, pathname, searchParams } = new URL(databaseUrl);
  return `${host || searchParams.get('host') || 'localhost'}${pathname}`;
}

function connectReason(error: unknown): string {
  // A name with several addresses fails with one error per address and no message of its own.
  if (error instanceof AggregateError) return connectReason(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
