import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningPostgres, startPostgres } from '@synscope/embedded-postgres';

export type ThrowawayPostgres = {
  /** Stays the same over stop and start. */
  readonly url: string;
  stop(): Promise<void>;
  /** Like the power going: kill −9 of the server, whose log is replayed at the next start. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it and deletes its files. */
  remove(): Promise<void>;
};

/**
 * A real Postgres of the test's own, in a temporary directory: for what a test does to the whole server, such as
 * taking it away. A test that needs only a database takes createTestDatabase(), which is some 30 times faster.
 */
export async function startThrowawayPostgres(
  options: { readonly durable?: boolean; readonly settings?: Readonly<Record<string, string>> } = {},
): Promise<ThrowawayPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'synscope-postgres-'));
  // Postgres runs as another user when the tests run as root.
  await chmod(directory, 0o711);
  const launch = (port?: number) =>
    startPostgres({
      dataDir: join(directory, 'postgres'),
      durable: options.durable ?? false,
      settings: { max_connections: '300', ...options.settings },
      port,
    });
  let server: RunningPostgres = await launch();
  const { url, port } = server;
  return {
    url,
    stop: () => server.stop(),
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    start: async () => {
      server = await launch(port);
    },
    remove: async () => {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
