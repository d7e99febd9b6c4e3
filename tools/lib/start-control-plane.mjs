import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { say } from './run-step.mjs';
import { startService } from './service.mjs';
import { shutdown } from './shutdown.mjs';
import { root } from './workspace.mjs';

/**
 * @typedef {object} ControlPlane
 * @property {import('./service.mjs').Service} service
 * @property {string} url Of the REST API, as reached from this host.
 * @property {string} grpcAddress Of the agents' link, as reached from this host.
 * @property {string} logFile
 */

/**
 * Starts the control plane and waits until it answers.
 * @param {string} dataDir
 * @param {string} databaseUrl
 * @returns {Promise<ControlPlane>}
 */
export async function startControlPlane(dataDir, databaseUrl) {
  shutdown.throwIfAborted();
  say('starting the control plane');
  const logFile = join(dataDir, 'logs', 'control-plane.log');
  /** @type {(entry: import('./service.mjs').LogEntry) => void} */
  let onReady = () => {};
  /** @type {Promise<import('./service.mjs').LogEntry>} */
  const ready = new Promise((resolve) => {
    onReady = resolve;
  });
  const service = startService({
    name: 'control plane',
    command: [process.execPath, '--enable-source-maps', join(root, 'apps/control-plane/dist/main.js')],
    env: {
      NODE_ENV: 'production',
      // grpc-js prints what it throws as well.
      GRPC_VERBOSITY: 'NONE',
      ...process.env,
      SYNSCOPE_DATA_DIR: dataDir,
      DATABASE_URL: databaseUrl,
    },
    logFile,
    onLog: (entry) => {
      if (entry['event'] === 'ready') onReady(entry);
    },
  });
  const interrupted = new Promise((resolve) => shutdown.addEventListener('abort', resolve, { once: true }));
  const result = await Promise.race([ready, service.ended, interrupted.then(() => 'was interrupted')]);
  if (typeof result === 'string') {
    await service.stop();
    shutdown.throwIfAborted();
    throw new Failure(`The control plane ${result} before it was ready; see ${logFile}.`);
  }
  return {
    service,
    url: `http://${reachable(result['httpAddress'], process.env['SYNSCOPE_HTTP_ADDR'], '127.0.0.1:8080')}`,
    grpcAddress: reachable(result['grpcAddress'], process.env['SYNSCOPE_GRPC_ADDR'], '127.0.0.1:9443'),
    logFile,
  };
}

/**
 * Where this host reaches a listener that may be bound to all addresses.
 * @param {unknown} reported What the control plane says that it listens on.
 * @param {string | undefined} configured
 * @param {string} fallback
 */
function reachable(reported, configured, fallback) {
  const address = typeof reported === 'string' ? reported : configured || fallback;
  return address.replace(/^(0\.0\.0\.0|\[::\]|)(?=:\d+$)/, '127.0.0.1');
}
