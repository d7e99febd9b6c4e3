import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { callApi } from './rest-api.mjs';
import { say } from './run-step.mjs';
import { startService } from './service.mjs';
import { shutdown } from './shutdown.mjs';
import { root } from './workspace.mjs';

const FIRST_RESTART_MS = 1_000;
const LAST_RESTART_MS = 30_000;
/** Enrolment and the start of the probe take about a second. */
const ONLINE_PATIENCE_MS = 20_000;

/**
 * @typedef {object} LocalAgent
 * @property {() => Promise<void>} stop
 * @property {() => Promise<string>} state Waits for it to be online, and says how that went.
 */

/**
 * Enrols and starts the agent of this host, and starts it again when it ends.
 * @param {object} options
 * @param {string} options.dataDir
 * @param {string} options.probe
 * @param {import('./start-control-plane.mjs').ControlPlane} options.controlPlane
 * @param {string} options.token The admin token.
 * @returns {Promise<LocalAgent>}
 */
export async function startAgent({ dataDir, probe, controlPlane, token }) {
  say('starting the local agent');
  // Only used when the agent has no certificate that is still valid.
  const joinToken = await callApi(controlPlane.url, token, 'POST', '/join-tokens', {
    name: 'local agent of npm start',
    maxUses: 1,
    expiresInSeconds: 3_600,
  });
  const logFile = join(dataDir, 'logs', 'agent.log');
  const launch = () =>
    startService({
      name: 'agent',
      command: [
        join(root, 'apps/agent/bin/synscope-agent'),
        ...['--server', controlPlane.grpcAddress, '--data-dir', join(dataDir, 'agent')],
      ],
      env: {
        ...process.env,
        SYNSCOPE_NODE: process.execPath,
        SYNSCOPE_TOKEN: joinToken.token,
        SYNSCOPE_PROBE: probe,
      },
      logFile,
    });
  let service = launch();

  const stopping = new AbortController();

  const keepRunning = async () => {
    for (let pause = FIRST_RESTART_MS; ; pause = Math.min(2 * pause, LAST_RESTART_MS)) {
      const how = await service.ended;
      if (stopping.signal.aborted) return;
      say(`the local agent ${how}; starting it again in ${pause / 1_000} s (its log: ${logFile})`);
      await delay(pause, undefined, { signal: stopping.signal });
      service = launch();
    }
  };
  const kept = keepRunning().catch(() => {});
  return {
    stop: async () => {
      stopping.abort();
      await service.stop();
      await kept;
    },
    state: async () => {
      if (!(await isSoonOnline(controlPlane.url, token))) return `not connected yet; its log: ${logFile}`;
      // It has its certificate now, and a secret that nobody needs should not lie about.
      await callApi(controlPlane.url, token, 'DELETE', `/join-tokens/${joinToken.id}`).catch(() => {});
      return 'running';
    },
  };
}

/**
 * A trace session that is started before would find no agent.
 * @param {string} url
 * @param {string} token
 */
async function isSoonOnline(url, token) {
  const deadline = Date.now() + ONLINE_PATIENCE_MS;
  while (Date.now() < deadline) {
    shutdown.throwIfAborted();
    /** @type {{ items: { hostname: string, status: string }[] }} */
    const { items } = await callApi(url, token, 'GET', '/agents?limit=1000');
    if (items.some((agent) => agent.hostname === hostname() && agent.status === 'online')) return true;
    await delay(100);
  }
  return false;
}
