import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface DigAnswer {
  readonly pid: number;
  /** "NOERROR"; undefined: no answer. */
  readonly status: string | undefined;
  /** What dig calls "Query time", microseconds: with -u it does not read the kernel's coarse clock, which is up to 4 ms behind. */
  readonly queryTimeUs: number | undefined;
  readonly text: string;
}

/** BIND's dig in a network namespace; fails only if dig cannot be used so. */
export async function dig(namespacePath: string, ...args: string[]): Promise<DigAnswer> {
  // 9 = no answer, which dig prints as well.
  const running = run('nsenter', [`--net=${namespacePath}`, 'dig', '-u', ...args]);
  const { stdout } = await running.catch((error: Error & { code?: number; stdout?: string }) => {
    if (error.code !== 9) throw error;
    return { stdout: error.stdout ?? '' };
  });
  const queryTime = /Query time: (\d+) usec/.exec(stdout)?.[1];
  return {
    pid: running.child.pid ?? 0,
    status: /status: (\w+)/.exec(stdout)?.[1],
    queryTimeUs: queryTime === undefined ? undefined : Number(queryTime),
    text: stdout,
  };
}

export interface GlibcLookup {
  readonly pid: number;
  /** Those that were found; none if the lookup failed. */
  readonly addresses: readonly string[];
  /** Around the whole process, CLOCK_MONOTONIC in microseconds: the most that its lookup can have taken. */
  readonly startedUs: number;
  readonly endedUs: number;
}

export interface GlibcOptions {
  readonly nameserver: string;
  /** Seconds per attempt, and attempts, of resolv.conf(5). */
  readonly timeout: number;
  readonly attempts: number;
  /** Only A is asked; default: A and AAAA at once. */
  readonly ipv4Only?: boolean;
}

const monotonicUs = () => Number(process.hrtime.bigint()) / 1e3;

/** getaddrinfo() of the host's glibc by getent(1), with a resolv.conf of its own in a mount namespace of its own. */
export async function glibcLookup(
  namespacePath: string,
  name: string,
  { nameserver, timeout, attempts, ipv4Only }: GlibcOptions,
): Promise<GlibcLookup> {
  const folder = await mkdtemp(join(tmpdir(), 'synscope-resolv-'));
  try {
    const resolvConf = join(folder, 'resolv.conf');
    const nsswitchConf = join(folder, 'nsswitch.conf');
    await writeFile(
      resolvConf,
      `nameserver ${nameserver}\noptions timeout:${timeout} attempts:${attempts}\n`,
    );
    await writeFile(nsswitchConf, 'hosts: files dns\n');
    const script = `mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && exec getent "$3" "$4"`;
    const startedUs = monotonicUs();
    const child = spawn(
      'nsenter',
      [
        `--net=${namespacePath}`,
        'unshare',
        '--mount',
        'sh',
        '-c',
        script,
        'sh',
        resolvConf,
        nsswitchConf,
        ipv4Only ? 'ahostsv4' : 'ahosts',
        name,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const [code] = (await once(child, 'close')) as [number | null];
    // 2: the name was not found.
    if (code !== 0 && code !== 2) throw new Error(`getent ended with ${code}: ${errors}`);
    const addresses = output.split('\n').flatMap((line) => /^(\S+)\s+STREAM/.exec(line)?.[1] ?? []);
    return { pid: child.pid ?? 0, addresses, startedUs, endedUs: monotonicUs() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
