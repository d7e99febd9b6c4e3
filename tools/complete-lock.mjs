#!/usr/bin/env node
/**
 * Run after each change of the npm packages. A registry mirror that holds only the platforms in use makes npm leave
 * the other platforms' optional packages out of package-lock.json, and then "npm ci" refuses the lock as incomplete,
 * with that registry as with the public one. This puts them back, from what their parents say.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib/workspace.mjs';

/** @typedef {{ version?: string, dev?: boolean, optional?: boolean, cpu?: string[], os?: string[], libc?: string[], engines?: Record<string, string>, optionalDependencies?: Record<string, string> }} Entry */

const OS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const CPU = ['arm64', 'armv7', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64'];

const path = join(root, 'package-lock.json');
const lock = JSON.parse(readFileSync(path, 'utf8'));
/** @type {Record<string, Entry>} */
const packages = lock.packages;

/**
 * Whether Node would find the package from the place of its parent.
 * @param {string} parent
 * @param {string} name
 */
function isPresent(parent, name) {
  for (let at = parent; ; at = at.slice(0, Math.max(at.lastIndexOf('/node_modules/'), 0))) {
    if (`${at === '' ? '' : `${at}/`}node_modules/${name}` in packages) return true;
    if (at === '') return false;
  }
}

let added = 0;
for (const [parent, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isPresent(parent, name)) continue;
    const words = name.slice(name.indexOf('/') + 1).split('-');
    const os = OS.find((each) => words.includes(each));
    const cpu = CPU.find((each) => words.includes(each));
    if (os === undefined || cpu === undefined || !/^\d/.test(version)) {
      console.error(`complete-lock: cannot tell the platform of ${name}@${version}, wanted by ${parent}`);
      process.exitCode = 1;
      continue;
    }
    const libc = name.includes('musl')
      ? ['musl']
      : words.some((word) => word.startsWith('gnu'))
        ? ['glibc']
        : undefined;
    packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu === 'armv7' ? 'arm' : cpu],
      ...(libc ? { libc } : {}),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      os: [os],
      ...(entry.engines ? { engines: entry.engines } : {}),
    };
    added++;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(packages).sort(([left], [right]) => left.localeCompare(right, 'en')),
);
if (process.argv.includes('--check')) {
  if (added > 0) process.exitCode = 1;
  console.log(`complete-lock: ${added} packages of other platforms are missing`);
} else {
  if (added > 0) writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`complete-lock: ${added} packages of other platforms added`);
}
