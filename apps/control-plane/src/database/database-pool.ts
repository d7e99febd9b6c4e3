import pg from 'pg';

const { types } = pg;

/**
 * Connections for hand-written SQL. Values arrive as the REST API writes them: timestamptz as RFC 3339 in UTC with microseconds (a
 * Date would lose them), int8 as a number. An int8 beyond 2^53 fails the query; cast such a column to text.
 */
export class DatabasePool extends pg.Pool {}

export interface DatabasePoolOptions {
  readonly connectionString: string;
  readonly maximumConnections: number;
  /** Postgres cancels a statement that runs longer, in milliseconds. */
  readonly statementTimeoutMs: number;
  /** Told of the loss of an idle connection, for example when Postgres restarts. The pool replaces it by itself. */
  readonly onConnectionLost: (error: Error) => void;
}

export function createDatabasePool(options: DatabasePoolOptions): DatabasePool {
  const pool = new DatabasePool({
    connectionString: options.connectionString,
    max: options.maximumConnections,
    statement_timeout: options.statementTimeoutMs,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'synscope',
    // Read by parseTimestamp, which knows only +00.
    options: '-c TimeZone=UTC',
    types: { getTypeParser: typeParser },
  });
  // Without a listener the loss of an idle connection ends the process.
  pool.on('error', options.onConnectionLost);
  // The pool listens to idle connections only. The next statement on one that is lost while in use fails with the loss.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

const typeParser: typeof types.getTypeParser = (oid: number, format?: 'text' | 'binary') => {
  if (format !== 'binary') {
    if (oid === types.builtins.TIMESTAMPTZ) return parseTimestamp;
    if (oid === types.builtins.INT8) return parseSafeInteger;
  }
  return types.getTypeParser(oid, format);
};

/** `2026-01-31 08:15:30.12+00` → `2026-01-31T08:15:30.120000Z`. */
export function parseTimestamp(text: string): string {
  const match = /^(\d{4,}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?\+00$/.exec(text);
  if (!match) throw new RangeError(`not a time in UTC: ${text}`);
  return `${match[1]}T${match[2]}.${(match[3] ?? '').padEnd(6, '0')}Z`;
}

function parseSafeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`${text} does not fit a number; cast the column to text`);
  return value;
}
