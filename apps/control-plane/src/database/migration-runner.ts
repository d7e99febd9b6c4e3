import type { ClientBase } from 'pg';
import { StartupError } from '../lifecycle/startup-error.js';
import type { Migration } from './migration.js';

// Any constant will do, as long as all replicas agree on it. The digits spell SYNSCOPE on a telephone.
const MIGRATION_LOCK = 79_672_673;

/**
 * Applies what is missing, in order, each step in its own transaction. Replicas that start together take turns by an
 * advisory lock of the session, so that each step runs once. Returns the names of the steps that this call applied.
 */
export async function migrateUp(client: ClientBase, migrations: readonly Migration[]): Promise<string[]> {
  return withMigrationLock(client, async () => {
    await client.query(`
      CREATE TABLE IF NOT EXISTS schema_migration (
        number integer PRIMARY KEY,
        name text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
      )`);
    const applied = await appliedMigrations(client);
    refuseNewerDatabase(applied, migrations);
    const missing = ascending(migrations).filter(({ number }) => !applied.has(number));
    for (const { number, name, up } of missing) {
      await inTransaction(client, name, async () => {
        await client.query(up);
        await client.query('INSERT INTO schema_migration (number, name) VALUES ($1, $2)', [number, name]);
      });
    }
    return missing.map(({ name }) => name);
  });
}

/** Undoes every applied step, newest first. */
export async function migrateDown(client: ClientBase, migrations: readonly Migration[]): Promise<void> {
  await withMigrationLock(client, async () => {
    const applied = await appliedMigrations(client);
    for (const { number, name, down } of ascending(migrations).reverse()) {
      if (!applied.has(number)) continue;
      await inTransaction(client, name, async () => {
        await client.query(down);
        await client.query('DELETE FROM schema_migration WHERE number = $1', [number]);
      });
    }
  });
}

async function withMigrationLock<T>(client: ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
  try {
    return await work();
  } finally {
    // On a broken connection the server has let go of the lock by itself, and the first error is the one that matters.
    await client.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
  }
}

async function inTransaction(client: ClientBase, name: string, work: () => Promise<void>): Promise<void> {
  await client.query('BEGIN');
  try {
    await work();
    await client.query('COMMIT');
  } catch (cause) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw new Error(`migration ${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

async function appliedMigrations(client: ClientBase): Promise<ReadonlyMap<number, string>> {
  const { rows } = await client.query<{ number: number; name: string }>(
    'SELECT number, name FROM schema_migration',
  );
  return new Map(rows.map(({ number, name }) => [number, name]));
}

function refuseNewerDatabase(applied: ReadonlyMap<number, string>, migrations: readonly Migration[]): void {
  const known = new Set(migrations.map(({ number }) => number));
  const unknown = [...applied].filter(([number]) => !known.has(number)).map(([, name]) => name);
  if (unknown.length === 0) return;
  throw new StartupError(
    `The database was migrated by a newer Synscope (unknown steps: ${unknown.join(', ')}). ` +
      'Start that version, or set DATABASE_URL to another database',
  );
}

function ascending(migrations: readonly Migration[]): Migration[] {
  return [...migrations].sort((left, right) => left.number - right.number);
}
