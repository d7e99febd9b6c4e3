import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { onImpatience } from './shutdown.mjs';

/** A log above this many bytes is set aside at the next start, in place of the one before it. */
const LOG_LIMIT = 20_000_000;
const KILL_AFTER_MS = 20_000;
const SETPRIV = '/usr/bin/setpriv';
/**
 * The levels that are shown, by pino's numbers and names.
 * @type {ReadonlyMap<unknown, string>}
 */
const SHOWN_LEVELS = new Map(
  /** @type {[unknown, string][]} */ ([
    [40, 'warning'],
    [50, 'error'],
    [60, 'error'],
    ['warn', 'warning'],
    ['error', 'error'],
    ['fatal', 'error'],
  ]),
);
/** The same problem again within this many milliseconds is only in the log file. */
const REPEATED_MS = 30_000;

/**
 * @typedef {Record<string, unknown>} LogEntry
 * @typedef {object} Service
 * @property {string} name
 * @property {number | undefined} pid
 * @property {Promise<string>} ended How it ended, in words. Never rejects.
 * @property {() => boolean} isRunning
 * @property {() => Promise<void>} stop SIGTERM, then patience, then SIGKILL.
 */

/**
 * Starts a part of Synscope with its log in a file; warnings and errors are shown on the terminal too.
 * @param {object} options
 * @param {string} options.name
 * @param {readonly string[]} options.command
 * @param {NodeJS.ProcessEnv} options.env
 * @param {string} options.logFile
 * @param {(entry: LogEntry) => void} [options.onLog] Called with every line that is JSON.
 * @returns {Service}
 */
export function startService({ name, command, env, logFile, onLog }) {
  mkdirSync(dirname(logFile), { recursive: true });
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT)
    renameSync(logFile, `${logFile}.1`);
  const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
  // A full disk must not end what still works.
  log.on('error', () => {});

  // In a session of its own, as Ctrl-C is for us, who stop the parts in order. When we are killed, the kernel ends it.
  const [program, ...args] = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'TERM', ...command] : command;
  const child = spawn(String(program), args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
      log.write(`${line}\n`);
      const entry = parseEntry(line);
      if (entry !== undefined) onLog?.(entry);
      showProblem(name, line, entry, stream === child.stderr);
    });
  }
  /** @type {Promise<string>} */
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('close', (code, signal) =>
      resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
    );
  });
  ended.then(() => log.end());
  const isRunning = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  const stop = async () => {
    if (!isRunning()) return;
    const kill = () => child.kill('SIGKILL');
    const timer = setTimeout(kill, KILL_AFTER_MS);
    const stopListening = onImpatience(kill);
    child.kill('SIGTERM');
    await ended;
    clearTimeout(timer);
    stopListening();
  };
  return { name, pid: child.pid, ended, isRunning, stop };
}

/** @param {string} line @returns {LogEntry | undefined} */
function parseEntry(line) {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/**
 * When each problem was shown, in milliseconds.
 * @type {Map<string, number>}
 */
const shownAt = new Map();

/**
 * @param {string} name
 * @param {string} line
 * @param {LogEntry | undefined} entry
 * @param {boolean} isErrorStream
 */
function showProblem(name, line, entry, isErrorStream) {
  if (entry === undefined) {
    if (isErrorStream && line.trim() !== '') console.error(`${name}: ${printable(line)}`);
    return;
  }
  const level = SHOWN_LEVELS.get(entry['level']);
  if (level === undefined) return;
  const error = /** @type {{ message?: unknown } | undefined} */ (entry['err']);
  const cause = error?.message ?? entry['reason'];
  const text = printable(
    `${name}: ${level}: ${entry['msg'] ?? ''}${cause === undefined || cause === entry['msg'] ? '' : `: ${cause}`}`,
  );
  const now = Date.now();
  if (now - (shownAt.get(text) ?? 0) < REPEATED_MS) return;
  // Texts that change from line to line must not make it grow for ever.
  if (shownAt.size > 100) shownAt.clear();
  shownAt.set(text, now);
  console.error(text);
}

/**
 * Log lines carry names that other hosts and processes chose; none of them may steer the terminal.
 * @param {string} text
 */
const printable = (text) => text.replace(/[^\P{C}\t]/gu, '?').slice(0, 2_000);
