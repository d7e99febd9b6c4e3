import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { shutdown } from './shutdown.mjs';
import { root } from './workspace.mjs';

export const REQUIRED_MAJOR = 24;
const ownNode = join(root, 'node_modules', '.bin', 'node');

export const hasRequiredNode = () => Number(process.versions.node.split('.')[0]) >= REQUIRED_MAJOR;

/** Whether the Node that npm installs with the workspace is there. */
export const hasOwnNode = () => existsSync(ownNode);

/**
 * Runs this command again by the workspace's Node and gives its exit code. The signals that we get go on to it.
 * @returns {Promise<number>}
 */
export async function continueOnOwnNode() {
  if (!hasOwnNode()) {
    throw new Failure(
      `Node ${REQUIRED_MAJOR} is needed, this is ${process.versions.node}, and npm has none for ${process.platform}-${process.arch} here. Install Node ${REQUIRED_MAJOR} and try again.`,
    );
  }
  shutdown.throwIfAborted();
  const child = spawn(ownNode, process.argv.slice(1), { stdio: 'inherit' });
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
    process.on(name, () => child.kill(name));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 143)));
  });
}
