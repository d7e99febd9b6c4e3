import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { shutdown } from './shutdown.mjs';
import { root } from './workspace.mjs';

/**
 * Runs a command on our terminal, and ends it when we are to end.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, keepOutput?: boolean }} [options]
 * @returns {Promise<{ code: number, output: string }>} The output only if it is to be kept.
 */
export async function runAttached(command, args, { env = process.env, keepOutput = false } = {}) {
  shutdown.throwIfAborted();
  const child = spawn(command, args, {
    cwd: root,
    env,
    stdio: ['inherit', keepOutput ? 'pipe' : 'inherit', 'inherit'],
  });
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
    process.stdout.write(chunk);
  });
  // After Ctrl-C in a terminal it has had its own SIGINT and is ending; a SIGTERM reaches only us.
  const end = () => child.kill(shutdown.reason.signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
  shutdown.addEventListener('abort', end, { once: true });
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) =>
        resolve(status ?? 128 + (signal ? constants.signals[signal] : 0)),
      );
    });
    shutdown.throwIfAborted();
    return { code, output };
  } finally {
    shutdown.removeEventListener('abort', end);
  }
}
