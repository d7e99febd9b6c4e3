import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const folder = import.meta.dirname;

export const relayFile = join(folder, '.build/tun-relay');
export const endpointFile = join(folder, '.build/endpoint');
export const dnsServerFile = join(folder, '.build/dns-server');
export const dnsClientFile = join(folder, '.build/dns-client');
export const dnsReflectorFile = join(folder, '.build/dns-reflector');
export const synFloodFile = join(folder, '.build/syn-flood');

let built: Promise<unknown> | undefined;

/** Compiles what is out of date. The lock is for test files that run at the same time. */
export async function buildLabTools(): Promise<void> {
  built ??= run('flock', [join(folder, 'Makefile'), 'make', '--silent', '-C', folder]);
  await built;
}

/** Runs a command inside a network namespace and gives back its stdout. */
export async function runInNamespace(path: string, file: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('nsenter', [`--net=${path}`, file, ...args]);
  return stdout;
}
