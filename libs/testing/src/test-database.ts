import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { startThrowawayPostgres, type ThrowawayPostgres } from './throwaway-postgres.js';

/** Tells the test workers where the run's server is. Set it beforehand to run the tests on a server of yours. */
const SERVER_VARIABLE = 'SYNSCOPE_TEST_DATABASE_URL';
const TEMPLATE_VARIABLE = 'SYNSCOPE_TEST_TEMPLATE';
const FAILURE_VARIABLE = 'SYNSCOPE_TEST_DATABASE_FAILURE';

export type TestDatabase = {
  readonly url: string;
  readonly name: string;
  /** Ends what is still connected to it. */
  drop(): Promise<void>;
};

/**
 * Once per test run: one server, and in it one database with the migrated schema that all others are copied from.
 * What fails here fails the tests that ask for a database, and leaves the others alone.
 */
export async function startTestDatabaseServer(
  migrate: (url: string) => Promise<void>,
): Promise<() => Promise<void>> {
  const given = process.env[SERVER_VARIABLE];
  const template = `synscope_template_${randomBytes(4).toString('hex')}`;
  let throwaway: ThrowawayPostgres | undefined;
  try {
    if (given === undefined) throwaway = await startThrowawayPostgres();
    const serverUrl = given ?? throwaway?.url ?? '';
    process.env[SERVER_VARIABLE] = serverUrl;
    process.env[TEMPLATE_VARIABLE] = template;
    await execute(serverUrl, `CREATE DATABASE ${template}`);
    await migrate(withDatabase(serverUrl, template));
  } catch (error) {
    process.env[FAILURE_VARIABLE] = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  return async () => {
    if (throwaway !== undefined) await throwaway.remove();
    else if (given !== undefined) await execute(given, `DROP DATABASE IF EXISTS ${template}`);
  };
}

/**
 * A database with the schema of the control plane and nothing else in it (about 40 ms). One per test file:
 * `const database = await createTestDatabase(); afterAll(() => database.drop());`
 */
export const createTestDatabase = (): Promise<TestDatabase> => create(setting(TEMPLATE_VARIABLE));

/** A database without any table, for tests of the migrations themselves. */
export const createEmptyTestDatabase = (): Promise<TestDatabase> => create('template0');

async function create(template: string): Promise<TestDatabase> {
  const failure = process.env[FAILURE_VARIABLE];
  if (failure !== undefined) throw new Error(`The test database could not be made: ${failure}`);
  const serverUrl = setting(SERVER_VARIABLE);
  const name = `synscope_test_${randomBytes(6).toString('hex')}`;
  await execute(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  return {
    name,
    url: withDatabase(serverUrl, name),
    drop: () => execute(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) {
    throw new Error(
      `${name} is not set: run the test by vitest from the top of the checkout, whose set-up starts Postgres.`,
    );
  }
  return value;
}

function withDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.toString();
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  // A server that ends while we are connected raises an event beside the failed query.
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
