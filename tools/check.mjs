#!/usr/bin/env node
/** `npm run check`: all that CI runs. Its options are in HELP below. */
import { spawnSync } from 'node:child_process';
import { ensureBuild, runOnOwnNode, workspacePath } from './bootstrap.mjs';
import { runAttached } from './lib/run-attached.mjs';
import { say } from './lib/run-step.mjs';
import { shutdown } from './lib/shutdown.mjs';
import { root } from './lib/workspace.mjs';

const HELP = `Usage: npm run check [-- OPTIONS]

Runs all that CI runs: the static checks, npm test, the accuracy suite, and the probe on other kernels.

Options:
  --static    only the static checks (half a minute)
  --no-tests  all but npm test, for a caller that ran it already
  --list      show the static checks
  --help      show this text`;

/**
 * Each of them changes nothing and prints what is wrong.
 * @type {readonly { name: string, fix: string, command: readonly string[] }[]}
 */
const STATIC_CHECKS = [
  { name: 'types of tests and tools', fix: '', command: ['tsc', '-p', 'tsconfig.json'] },
  { name: 'format and lint', fix: 'npm run format', command: ['biome', 'check', '--error-on-warnings', '.'] },
  {
    name: 'borders between apps, libs and features',
    fix: 'see the comments in .dependency-cruiser.cjs',
    command: ['depcruise', 'apps', 'libs', 'test', 'examples', '--config', '.dependency-cruiser.cjs'],
  },
  { name: 'exports of features', fix: '', command: ['node', 'tools/check-features.mjs'] },
  { name: 'dead code and undeclared packages', fix: '', command: ['knip', '--no-config-hints'] },
  { name: 'protocol: lint', fix: '', command: ['buf', 'lint'] },
  { name: 'protocol: format', fix: 'npm run format', command: ['buf', 'format', '-d', '--exit-code'] },
  {
    name: 'protocol: no breaking change since the last release',
    fix: 'keep what agents in the field speak; see CONTRIBUTING.md',
    command: ['buf', 'breaking', '--against', 'proto/released.binpb'],
  },
  {
    name: 'generated code is that of the protocol and of the REST API',
    fix: 'npm run generate',
    command: ['node', 'tools/check-generated.mjs'],
  },
  {
    name: 'package-lock.json is complete',
    fix: 'node tools/complete-lock.mjs',
    command: ['node', 'tools/complete-lock.mjs', '--check'],
  },
];

const options = process.argv.slice(2);
const unknown = options.find(
  (option) => !['--static', '--no-tests', '--list', '--help', '-h'].includes(option),
);
if (unknown !== undefined) {
  console.error(`synscope: unknown option "${unknown}"\n\n${HELP}`);
  process.exitCode = 2;
} else if (options.includes('--help') || options.includes('-h')) {
  console.log(HELP);
} else if (options.includes('--list')) {
  for (const { name, command } of STATIC_CHECKS) console.log(`${name}: ${command.join(' ')}`);
} else {
  runOnOwnNode(check);
}

async function check() {
  await ensureBuild();
  const failed = STATIC_CHECKS.filter((each) => !passes(each)).map(({ name }) => name);
  if (!options.includes('--static')) {
    if (!options.includes('--no-tests') && !(await succeeds('npm test', ['tools/test.mjs'])))
      failed.push('npm test');
    for (const project of ['accuracy', 'kernels'])
      if (!(await succeeds(project, ['tools/test.mjs', '--project', project]))) failed.push(project);
  }
  say(failed.length === 0 ? 'all checks passed' : `failed: ${failed.join('; ')}`);
  return failed.length === 0 ? 0 : 1;
}

/** @param {(typeof STATIC_CHECKS)[number]} check */
function passes({ name, fix, command: [program, ...args] }) {
  shutdown.throwIfAborted();
  const startedAt = Date.now();
  const result = spawnSync(String(program), args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: workspacePath() },
    maxBuffer: 256 * 1024 * 1024,
  });
  const seconds = ((Date.now() - startedAt) / 1_000).toFixed(1);
  if (result.status === 0) {
    say(`ok      ${name} (${seconds} s)`);
    return true;
  }
  console.log(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`.trim());
  say(`FAILED  ${name} (${seconds} s)${fix === '' ? '' : `; to fix it: ${fix}`}`);
  return false;
}

/**
 * @param {string} name
 * @param {readonly string[]} args
 */
async function succeeds(name, args) {
  say(name);
  return (await runAttached(process.execPath, args)) === 0;
}
