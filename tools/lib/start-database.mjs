import { join } from 'node:path';
import { say } from './run-step.mjs';
import { shutdown } from './shutdown.mjs';
import { root } from './workspace.mjs';

/** The embedded server is started again this many times, should it be killed, before all of Synscope gives up. */
const RESTARTS = 5;

/**
 * @typedef {object} Database
 * @property {string} url
 * @property {Promise<string>} failed Settles when the embedded server cannot be kept running, with a sentence.
 * @property {() => Promise<void>} stop
 */

/**
 * The database that DATABASE_URL names, or an embedded Postgres below the data directory.
 * @param {string} dataDir
 * @returns {Promise<Database>}
 */
export async function startDatabase(dataDir) {
  const given = process.env['DATABASE_URL'];
  if (given) return { url: given, failed: new Promise(() => {}), stop: async () => {} };

  const { startPostgres } = await import(join(root, 'libs/embedded-postgres/dist/index.js'));
  /**
   * @param {number} [port]
   * @returns {Promise<import('@synscope/embedded-postgres').RunningPostgres>}
   */
  const launch = (port) =>
    startPostgres({ dataDir: join(dataDir, 'postgres'), port, signal: shutdown, onProgress: say });
  let starting = launch();
  const { url, port, logFile } = await starting;
  let isStopping = false;

  const keepRunning = async () => {
    for (let restarts = 0; ; restarts++) {
      try {
        const server = await starting;
        await server.exited;
      } catch (error) {
        return `Postgres cannot be started again: ${error instanceof Error ? error.message : error}`;
      }
      if (isStopping) return new Promise(() => {});
      if (restarts === RESTARTS) return `Postgres ended ${RESTARTS + 1} times; see ${logFile}.`;
      say(`Postgres ended unexpectedly; starting it again (its log: ${logFile})`);
      // On the same port, so that those who use it find it again.
      starting = launch(port);
    }
  };
  return {
    url,
    failed: keepRunning(),
    stop: async () => {
      isStopping = true;
      // A server that could not be started again needs no end.
      const server = await starting.catch(() => undefined);
      await server?.stop();
    },
  };
}
