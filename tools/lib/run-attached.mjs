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
export const runAttached = (command, args) => run(command, args, 'inherit');

/**
 * The same for one of several at once: what it prints goes to our output, but it does not draw on the terminal.
 * @param {string} command
 * @param {readonly string[]} args
 */
export const runBeside = (command, args) => run(command, args, 'pipe');

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {'inherit' | 'pipe'} output
 * @returns {Promise<number>}
 */
async function run(command, args, output) {
  shutdown.throwIfAborted();
  const child = spawn(command, args, { cwd: root, stdio: ['inherit', output, output] });
  child.stdout?.pipe(process.stdout, { end: false });
  child.stderr?.pipe(process.stderr, { end: false });
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
