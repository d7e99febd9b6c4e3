#!/usr/bin/env node
/** `npm test`: all tests but the long part of the accuracy suite. Its options are in HELP below. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuild, ensureGuestTools, ensureProbe, ensureTestTools, runOnOwnNode } from './bootstrap.mjs';
import { Interrupted } from './lib/failure.mjs';
import { whatKeepsFromTracing } from './lib/host.mjs';
import { runAttached, runBeside } from './lib/run-attached.mjs';
import { say } from './lib/run-step.mjs';
import { failuresOfVitest, sum, tallyLine, tallyOfVitest } from './lib/tally.mjs';
import { buildDirectory, root } from './lib/workspace.mjs';

const HELP = `Usage: npm test [-- VITEST-OPTIONS]

Without options: all unit, property, database, eBPF and end-to-end tests, and ends with "N passed, N failed, N skipped".
With options, only what vitest selects by them:
  npm test -- --project unit                      one project of: unit, kernel, lab, e2e, accuracy, kernels
  npm test -- --project unit libs/selector        the tests of one folder
  npm test -- --project unit -t "refuses"         the tests whose name matches

The eBPF and end-to-end tests need root (or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN), BTF and cgroup v2. Elsewhere they are
left out with a notice, and with CI=true that is a failure.`;

/** Where the results go, for what runs after us. */
const results = join(buildDirectory, 'test-results');
const isCi = ['true', '1'].includes(process.env['CI'] ?? '');
const options = process.argv.slice(2);

if (options.includes('--help') || options.includes('-h')) console.log(HELP);
else runOnOwnNode(options.length === 0 ? runAll : runSelected);

async function runAll() {
  rmSync(results, { recursive: true, force: true });
  mkdirSync(results, { recursive: true });
  const obstacle = await prepare(true);
  /** @type {import('./lib/tally.mjs').Tally[]} */
  const tallies = [await vitest('unit', ['--project', 'unit'])];
  if (obstacle === undefined) {
    tallies.push(...(await kernelInTwoHalves()));
    for (const project of ['lab', 'e2e'])
      tallies.push(await vitest(project, ['--project', project, '--passWithNoTests']));
  } else {
    showObstacle(obstacle);
    tallies.push({ passed: 0, failed: isCi ? 1 : 0, skipped: 1 });
  }
  return finish('all', sum(tallies));
}

/**
 * Most of their time the tests on the kernel wait for it. Those of DNS and of name lookups see nothing of handshakes and listeners, nor the
 * others of them, so the two run side by side; within each it is one file at a time, as vitest.config.ts says.
 */
function kernelInTwoHalves() {
  const names = ['bpf/test/dns', 'bpf/test/name-lookup', 'bpf/test/container-lookups'];
  const half = ['--project', 'kernel', '--passWithNoTests'];
  return Promise.all([
    vitest('kernel-names', [...half, ...names], runBeside),
    vitest('kernel', [...half, ...names.map((name) => `--exclude=${name}*`)], runBeside),
  ]);
}

async function runSelected() {
  mkdirSync(results, { recursive: true });
  const project = options[options.indexOf('--project') + 1];
  const obstacle = await prepare(!options.includes('--project') || project !== 'unit');
  if (obstacle !== undefined) showObstacle(obstacle);
  if (project === 'kernels') await ensureGuestTools();
  // A tally for each project, so that CI can add them up.
  const name = options.includes('--project') ? (project ?? 'selected') : 'selected';
  return finish(name, await vitest(name, options));
}

/**
 * @param {boolean} withKernel
 * @returns {Promise<string | undefined>} Why the tests on the kernel cannot run.
 */
async function prepare(withKernel) {
  await ensureBuild();
  if (!withKernel) return undefined;
  const obstacle = whatKeepsFromTracing();
  if (obstacle !== undefined) return obstacle;
  try {
    await ensureProbe();
    await ensureTestTools();
    return undefined;
  } catch (error) {
    if (error instanceof Interrupted || isCi) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

/** @param {string} obstacle */
function showObstacle(obstacle) {
  const bar = '='.repeat(100);
  const consequence = isCi
    ? 'With CI=true this is a failure.'
    : 'What you see below does not say that tracing works.';
  console.error(`\n${bar}\nTHE TESTS ON THE KERNEL ARE LEFT OUT: ${obstacle}.\n${consequence}\n${bar}\n`);
}

/**
 * @param {string} name
 * @param {readonly string[]} args
 */
async function vitest(name, args, run = runAttached) {
  const report = join(results, `${name}.json`);
  rmSync(report, { force: true });
  const code = await run(process.execPath, [
    join(root, 'node_modules/vitest/vitest.mjs'),
    ...['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    ...args,
  ]);
  const tally = tallyOfVitest(report, code === 0);
  const failures = join(results, `${name}.failures`);
  rmSync(failures, { force: true });
  if (tally.failed > 0) writeFileSync(failures, `${failuresOfVitest(report).join('\n\n')}\n`);
  return tally;
}

/**
 * @param {string} name
 * @param {import('./lib/tally.mjs').Tally} tally
 */
function finish(name, tally) {
  const line = tallyLine(tally);
  writeFileSync(join(results, `${name}.tally`), `${line}\n`);
  const ran = tally.passed + tally.failed > 0;
  if (tally.failed > 0) say('some tests failed; see above');
  if (!ran) say('no test ran');
  console.log(line);
  return ran && tally.failed === 0 ? 0 : 1;
}
