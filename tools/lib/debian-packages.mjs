import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Failure } from './failure.mjs';
import { runStep } from './run-step.mjs';

/** What builds the probe: bpf/Makefile. */
export const PROBE_PACKAGES = [
  'clang',
  'make',
  'bpftool',
  'libc6-dev',
  'libbpf-dev',
  'libelf-dev',
  'zlib1g-dev',
];
/**
 * The network lab of the tests with its witnesses and resolvers: test/lab/README.md. And psql for the benchmark of ingest. `dnsmasq-base` is the
 * program alone; `dnsmasq` would start a service.
 */
export const TEST_PACKAGES = [
  'gcc',
  'iproute2',
  'util-linux',
  'tshark',
  'bind9-dnsutils',
  'dnsperf',
  'dnsmasq-base',
  'musl-tools',
  'curl',
  'jq',
  'postgresql-client',
];

/** Guests with other kernels: test/kernels. */
export const GUEST_PACKAGES = ['qemu-system-x86', 'busybox-static', 'cpio'];

/** @param {readonly string[]} packages */
function missingPackages(packages) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholders.
  const query = spawnSync('dpkg-query', ['-W', '-f=${binary:Package} ${db:Status-Status} ${Provides}\n'], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const installed = new Set();
  for (const line of (query.stdout ?? '').split('\n')) {
    const [name, status, ...provides] = line.split(/[\s,]+/);
    if (status !== 'installed') continue;
    // "libc6-dev:amd64", and names like dnsutils that another package provides.
    installed.add(name?.split(':')[0]);
    for (const provided of provides) installed.add(provided);
  }
  return packages.filter((name) => !installed.has(name));
}

/**
 * Installs what is missing; throws a Failure that says what to install by hand where that is not possible.
 * @param {readonly string[]} packages
 */
export async function ensureDebianPackages(packages) {
  if (!existsSync('/usr/bin/dpkg-query')) {
    throw new Failure(
      `This is not Debian or a relative; install what corresponds to: ${packages.join(', ')}.`,
    );
  }
  const missing = missingPackages(packages);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    throw new Failure(`These packages are missing: run "sudo apt-get install ${missing.join(' ')}".`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = { command: 'apt-get', env, uninterruptible: true };
  await runStep({
    ...apt,
    title: 'Reading the package lists',
    log: 'apt-update.log',
    args: ['update', '-q'],
  });
  await runStep({
    ...apt,
    title: `Installing ${missing.join(', ')}`,
    log: 'apt-install.log',
    args: ['install', '-q', '-y', '--no-install-recommends', ...missing],
  });
}
