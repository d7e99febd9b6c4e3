import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { shutdown } from './shutdown.mjs';
import { root } from './workspace.mjs';

/**
 * Runs a command on our terminal, and ends it when we are to end.
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {Promise<number>} Its exit code.
 */
export async function runAttached(command, args) {
  shutdown.throwIfAborted();
  const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
  // After Ctrl-C in a terminal it has had its own SIGINT and is ending; a SIGTERM reaches only us.
  const end = () => child.kill(shutdown.reason.signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
  shutdown.addEventListener('abort', end, { once: true });
  try {
    /** @type {number} */
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) =>
        resolve(status ?? 128 + (signal ? constants.signals[signal] : 0)),
      );
    });
    shutdown.throwIfAborted();
    return code;
  } finally {
    shutdown.removeEventListener('abort', end);
  }
}
