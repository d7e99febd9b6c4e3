import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { post } from './rest-api.mjs';
import { say } from './run-step.mjs';
import { startService } from './service.mjs';
import { shutdown } from './shutdown.mjs';
import { root } from './workspace.mjs';

const FIRST_RESTART_MS = 1_000;
const LAST_RESTART_MS = 30_000;

/**
 * Enrols and starts the agent of this host, and starts it again when it ends.
 * @param {object} options
 * @param {string} options.dataDir
 * @param {string} options.probe
 * @param {import('./start-control-plane.mjs').ControlPlane} options.controlPlane
 * @param {string} options.token The admin token.
 * @returns {Promise<{ stop: () => Promise<void> }>}
 */
export async function startAgent({ dataDir, probe, controlPlane, token }) {
  say('starting the local agent');
  // Only used when the agent has no certificate that is still valid.
  const joinToken = await post(controlPlane.url, token, '/join-tokens', {
    name: 'local agent of npm start',
    maxUses: 1,
    expiresInSeconds: 3_600,
  });
  const launch = () =>
    startService({
      name: 'agent',
      command: [
        process.execPath,
        ...['--enable-source-maps', join(root, 'apps/agent/dist/main.js')],
        ...['--server', controlPlane.grpcAddress, '--data-dir', join(dataDir, 'agent')],
      ],
      env: { ...process.env, SYNSCOPE_TOKEN: joinToken.token, SYNSCOPE_PROBE: probe },
      logFile: join(dataDir, 'logs', 'agent.log'),
    });
  let service = launch();

  const keepRunning = async () => {
    for (let pause = FIRST_RESTART_MS; !shutdown.aborted; pause = Math.min(2 * pause, LAST_RESTART_MS)) {
      const how = await service.ended;
      if (shutdown.aborted) return;
      say(`the local agent ${how}; starting it again in ${pause / 1_000} s`);
      try {
        await delay(pause, undefined, { signal: shutdown });
      } catch {
        return;
      }
      service = launch();
    }
  };
  const kept = keepRunning();
  return {
    stop: async () => {
      await service.stop();
      if (shutdown.aborted) await kept;
    },
  };
}
