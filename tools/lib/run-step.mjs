import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { onImpatience, shutdown } from './shutdown.mjs';
import { buildDirectory, root } from './workspace.mjs';

const HEARTBEAT_MS = 15_000;
// npm stops at nothing less than SIGKILL, and every step can be begun anew.
const KILL_AFTER_MS = 1_000;
const EXCERPT_LINES = 15;

/** @param {string} line */
export const say = (line) => console.log(`synscope: ${line}`);

/**
 * @typedef {object} Step
 * @property {string} title What is being done, for the person who waits.
 * @property {string} log Name of the file below .build/logs that gets the output.
 * @property {string} command
 * @property {readonly string[]} args
 * @property {NodeJS.ProcessEnv} [env]
 * @property {boolean} [uninterruptible] It ends by itself after SIGINT, in its own time: a package manager in the middle of its database.
 */

/**
 * Runs one long step with its output in a log file, and lines of progress on the terminal. The end of this process
 * ends it, with all that it started. Throws a Failure that shows what went wrong.
 * @param {Step} step
 */
export async function runStep({ title, log, command, args, env = process.env, uninterruptible = false }) {
  shutdown.throwIfAborted();
  const directory = join(buildDirectory, 'logs');
  mkdirSync(directory, { recursive: true });
  const logFile = join(directory, log);
  const output = openSync(logFile, 'w');
  const startedAt = Date.now();
  const seconds = () => `${Math.round((Date.now() - startedAt) / 1_000)} s`;
  say(`${title} …`);
  // A process group of its own, so that its end takes along everything that it started.
  const child = spawn(command, args, { cwd: root, env, detached: true, stdio: ['ignore', output, output] });
  closeSync(output);

  const heartbeat = setInterval(() => say(`  still at it after ${seconds()}`), HEARTBEAT_MS);
  /** @param {NodeJS.Signals} name */
  const signalGroup = (name) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // It has ended by itself.
    }
  };
  /** @type {NodeJS.Timeout | undefined} */
  let killTimer;
  const end = () => {
    if (uninterruptible) say(`waiting for "${command}" to leave things in order`);
    signalGroup(uninterruptible ? 'SIGINT' : 'SIGTERM');
    if (!uninterruptible) killTimer = setTimeout(() => signalGroup('SIGKILL'), KILL_AFTER_MS);
  };
  shutdown.addEventListener('abort', end, { once: true });
  const stopListening = onImpatience(() => uninterruptible || signalGroup('SIGKILL'));
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    shutdown.throwIfAborted();
    if (code !== 0)
      throw new Failure(
        `${title} failed (${command} ended with ${code}):\n${excerptOf(logFile)}\nAll of it: ${logFile}`,
      );
    say(`  done in ${seconds()}`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new Failure(`${title} failed: there is no command "${command}" on this host.`);
    }
    throw error;
  } finally {
    clearInterval(heartbeat);
    clearTimeout(killTimer);
    shutdown.removeEventListener('abort', end);
    stopListening();
  }
}

/**
 * The lines that tell of errors, or else the last ones.
 * @param {string} logFile
 */
function excerptOf(logFile) {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n');
  const errors = lines.filter((line) => /\berror\b/i.test(line));
  const excerpt = errors.length > 0 ? errors.slice(0, EXCERPT_LINES) : lines.slice(-EXCERPT_LINES);
  return excerpt.map((line) => `  | ${line}`).join('\n');
}
