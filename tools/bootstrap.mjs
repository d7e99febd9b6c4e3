#!/usr/bin/env node
/**
 * Brings a fresh clone to where it runs, and does nothing when it is there already. Plain Node 20 without packages,
 * as it is what installs them. By itself: node tools/bootstrap.mjs [--for-tests]
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  ensureDebianPackages,
  GUEST_PACKAGES,
  PROBE_PACKAGES,
  TEST_PACKAGES,
} from './lib/debian-packages.mjs';
import { Failure, Interrupted, runMain } from './lib/failure.mjs';
import { ensureNpmPackages } from './lib/npm-packages.mjs';
import { continueOnOwnNode, hasOwnNode, hasRequiredNode } from './lib/own-node.mjs';
import { takeProcessLock } from './lib/process-lock.mjs';
import { runStep, say } from './lib/run-step.mjs';
import { shutdown } from './lib/shutdown.mjs';
import { buildDirectory, hashOf, isStamped, root, stamp } from './lib/workspace.mjs';

const BUILD_INPUTS = ['apps', 'libs', 'package-lock.json', 'tsconfig.base.json', 'nx.json'];
const PROBE = join(root, 'bpf', '.build', 'synscope-probe');

/**
 * Runs a command's main function with the packages installed and on the workspace's Node.
 * @param {() => Promise<number>} main
 */
export const runOnOwnNode = (main) =>
  runMain(async () => {
    if (process.platform !== 'linux') throw new Failure('Synscope runs on Linux: it measures with eBPF.');
    if (!hasRequiredNode() && hasOwnNode()) return continueOnOwnNode();
    await withBootstrapLock(ensureNpmPackages);
    return hasRequiredNode() ? main() : continueOnOwnNode();
  });

/** Compiles apps and libs, when a source changed since the last time. */
export const ensureBuild = () =>
  withBootstrapLock(async () => {
    const hash = hashOf(BUILD_INPUTS);
    if (isStamped('build', hash) && existsSync(join(root, 'apps/control-plane/dist/main.js'))) return;
    await runStep({
      title: 'Building',
      log: 'build.log',
      command: join(root, 'node_modules', '.bin', 'nx'),
      args: ['run-many', '-t', 'build', '--outputStyle=static'],
      env: { ...process.env, PATH: workspacePath(), NX_DAEMON: 'false', FORCE_COLOR: '0' },
    });
    stamp('build', hash);
  });

/**
 * Compiles the eBPF programs and the probe, and gives the probe's path. Throws a Failure that says what is missing.
 * @returns {Promise<string>}
 */
export const ensureProbe = () =>
  withBootstrapLock(async () => {
    const hash = hashOf(['bpf', 'package.json']);
    if (isStamped('probe', hash) && existsSync(PROBE)) return PROBE;
    await ensureDebianPackages(PROBE_PACKAGES);
    await runStep({
      title: 'Building the eBPF probe',
      log: 'probe.log',
      command: 'make',
      args: ['-C', 'bpf'],
      env: { ...process.env, PATH: workspacePath() },
    });
    stamp('probe', hash);
    return PROBE;
  });

export const ensureTestTools = () => withBootstrapLock(() => ensureDebianPackages(TEST_PACKAGES));
export const ensureGuestTools = () => withBootstrapLock(() => ensureDebianPackages(GUEST_PACKAGES));

/** node_modules/.bin before all else, as npm has it. */
export function workspacePath() {
  return [join(root, 'node_modules', '.bin'), process.env['PATH']].join(delimiter);
}

/**
 * "npm start" and "npm test" at the same time take turns.
 * @template T
 * @param {() => Promise<T>} work
 */
async function withBootstrapLock(work) {
  const path = join(buildDirectory, 'bootstrap.lock');
  let told = false;
  for (;;) {
    shutdown.throwIfAborted();
    const lock = tryLock(path);
    if ('release' in lock) {
      try {
        return await work();
      } finally {
        lock.release();
      }
    }
    if (!told) say(`process ${lock.heldBy} is preparing this checkout; waiting for it`);
    told = true;
    await delay(200);
  }
}

/** @param {string} path */
function tryLock(path) {
  try {
    return takeProcessLock(path);
  } catch (error) {
    // In a checkout of another user there is nothing that we could prepare; each step says so if it has to.
    if (error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EROFS')) {
      return { release: () => {} };
    }
    throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  runOnOwnNode(async () => {
    await ensureBuild();
    try {
      await ensureProbe();
    } catch (error) {
      if (error instanceof Interrupted || process.argv.includes('--for-tests')) throw error;
      say(error instanceof Error ? error.message : String(error));
    }
    if (process.argv.includes('--for-tests')) await ensureTestTools();
    return 0;
  });
}
