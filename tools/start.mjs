#!/usr/bin/env node
/** `npm start`: the whole of Synscope on this host, from a fresh clone on. Its options are in HELP below. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureBuild, ensureProbe, runOnOwnNode } from './bootstrap.mjs';
import { Failure, Interrupted } from './lib/failure.mjs';
import { whatKeepsFromTracing } from './lib/host.mjs';
import { makeDirectory } from './lib/make-directory.mjs';
import { takeProcessLock } from './lib/process-lock.mjs';
import { say } from './lib/run-step.mjs';
import { shutdown } from './lib/shutdown.mjs';
import { startAgent } from './lib/start-agent.mjs';
import { startControlPlane } from './lib/start-control-plane.mjs';
import { startDatabase } from './lib/start-database.mjs';
import { welcome } from './lib/welcome.mjs';
import { root } from './lib/workspace.mjs';

const HELP = `Usage: npm start [-- OPTIONS]

Starts the control plane, an embedded Postgres and, where this host can trace, a local agent.
Ctrl-C stops all of it; the next start finds everything again.

Options:
  --no-agent  leave out the local agent
  --help      show this text

Environment:
  SYNSCOPE_DATA_DIR   where everything is kept (default: .data in the checkout)
  SYNSCOPE_HTTP_ADDR  address of the REST API (default: 127.0.0.1:8080)
  SYNSCOPE_GRPC_ADDR  address for agents (default: 127.0.0.1:9443)
  DATABASE_URL        a Postgres of yours in place of the embedded one
All settings of the control plane: docs/configuration.md`;

const options = process.argv.slice(2);
const unknown = options.find((option) => !['--no-agent', '--help', '-h'].includes(option));
if (options.includes('--help') || options.includes('-h')) {
  console.log(HELP);
} else if (unknown !== undefined) {
  console.error(`synscope: unknown option "${unknown}"\n\n${HELP}`);
  process.exitCode = 2;
} else {
  runOnOwnNode(start);
}

/** @returns {Promise<number>} */
async function start() {
  const dataDir = resolve(root, process.env['SYNSCOPE_DATA_DIR'] || '.data');
  prepareDataDirectory(dataDir);
  const lock = takeProcessLock(join(dataDir, 'start.lock'));
  if ('heldBy' in lock) {
    throw new Failure(
      `it already runs with the data directory ${dataDir} (process ${lock.heldBy}). Stop it by "kill ${lock.heldBy}", or set SYNSCOPE_DATA_DIR to another one.`,
    );
  }
  /** @type {(() => Promise<void>)[]} */
  const stops = [async () => lock.release()];
  let isReady = false;
  try {
    await ensureBuild();
    const probe = await findProbe(options.includes('--no-agent'));
    const database = await startDatabase(dataDir);
    stops.unshift(database.stop);
    const controlPlane = await startControlPlane(dataDir, database.url);
    stops.unshift(controlPlane.service.stop);
    const agent = await startLocalAgent(dataDir, probe, controlPlane);
    stops.unshift(agent.stop);
    const state = await agent.state();
    shutdown.throwIfAborted();
    isReady = true;
    console.log(welcome({ dataDir, url: controlPlane.url, agent: state }));

    const end = await Promise.race([
      new Promise((resolve) => shutdown.addEventListener('abort', () => resolve(undefined), { once: true })),
      database.failed,
      controlPlane.service.ended.then((how) => `The control plane ${how}; see ${controlPlane.logFile}.`),
    ]);
    if (end !== undefined && !shutdown.aborted) throw new Failure(end);
    say('stopping');
    return 0;
  } catch (error) {
    if (error instanceof Interrupted && !isReady) say('stopping before the start is complete');
    throw error;
  } finally {
    for (const stop of stops) await stop().catch((error) => say(`while stopping: ${error.message}`));
    if (isReady) say(`stopped; the data stays in ${dataDir}`);
  }
}

/**
 * @param {string} dataDir
 * @param {{ path: string } | { reason: string }} probe
 * @param {import('./lib/start-control-plane.mjs').ControlPlane} controlPlane
 * @returns {Promise<import('./lib/start-agent.mjs').LocalAgent>}
 */
async function startLocalAgent(dataDir, probe, controlPlane) {
  const tokenFile = join(dataDir, 'admin-token');
  const reason =
    'reason' in probe
      ? probe.reason
      : existsSync(tokenFile)
        ? undefined
        : `there is no ${tokenFile} to enrol it with; start it by hand with a join token`;
  if ('reason' in probe || reason !== undefined)
    return { stop: async () => {}, state: async () => `none: ${reason}` };
  return startAgent({
    dataDir,
    probe: probe.path,
    controlPlane,
    token: readFileSync(tokenFile, 'utf8').trim(),
  });
}

/** @param {string} dataDir */
function prepareDataDirectory(dataDir) {
  try {
    // Others may pass through, as the embedded Postgres of root runs as another user; each secret has its own mode.
    makeDirectory(dataDir, 0o711);
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : error;
    throw new Failure(
      `The data directory ${dataDir} cannot be used by user id ${process.getuid?.()} (${reason}). Give that user the directory, or set SYNSCOPE_DATA_DIR to another one.`,
    );
  }
}

/**
 * @param {boolean} leftOut
 * @returns {Promise<{ path: string } | { reason: string }>}
 */
async function findProbe(leftOut) {
  if (leftOut) return { reason: 'left out, as --no-agent says' };
  const obstacle = whatKeepsFromTracing();
  if (obstacle !== undefined) return { reason: obstacle };
  try {
    return { path: await ensureProbe() };
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    return { reason: `the probe cannot be built: ${error instanceof Error ? error.message : error}` };
  }
}
