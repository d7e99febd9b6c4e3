import { constants } from 'node:os';
import { CommanderError } from 'commander';
import { CliError } from './cli-error.js';
import { CommandRun } from './command-run.js';
import { escapeLines } from './output/escape.js';
import { createProgram } from './program.js';
import { ReaderGone, type Surroundings } from './surroundings.js';

/** The exit status: 0 done, 1 failed (or --fail-if-any and something was found), 2 bad usage, 128 + n ended by signal n. */
export async function run(surroundings: Surroundings): Promise<number> {
  const commandRun = new CommandRun(surroundings);
  try {
    await createProgram(commandRun).parseAsync([...surroundings.argv], { from: 'user' });
    return commandRun.exitStatus;
  } catch (error) {
    // Whoever reads has enough, as `head` has.
    if (error instanceof ReaderGone) return commandRun.exitStatus;
    if (surroundings.interrupted.aborted) return signalStatus(surroundings.interrupted.reason);
    // Commander has written its message itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const [message, status] = explain(error);
    await surroundings.errors.write(`synscope: ${escapeLines(message)}\n`);
    return status;
  }
}

function explain(error: unknown): [message: string, status: number] {
  if (error instanceof CliError) return [error.message, error.exitStatus];
  return [`unexpected error: ${error instanceof Error ? error.stack : String(error)}`, 1];
}

function signalStatus(signal: unknown): number {
  return 128 + (Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? 0);
}
