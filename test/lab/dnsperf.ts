import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SocketAddress } from './relay.ts';
import { runInNamespace } from './tools.ts';

export interface DnsperfOptions {
  readonly server: SocketAddress;
  readonly queriesPerSecond: number;
  readonly seconds: number;
  /** Sockets that it asks from. Default 8. */
  readonly clients?: number;
  /** How many queries may wait for their answers, and for how many seconds. Default: dnsperf's own 100 and 5. */
  readonly outstanding?: number;
  readonly timeoutSeconds?: number;
}

/** What dnsperf says of its run. */
export interface DnsperfResult {
  readonly sent: number;
  readonly completed: number;
  readonly lost: number;
  readonly queriesPerSecond: number;
  readonly averageLatencySeconds: number;
}

/** No name is asked twice, so that each query can be told from the others by its name; they all end so. */
export const volumeSuffix = `p${process.pid}.volume.test`;

/** Runs dnsperf in a network namespace with as many names as it can ask. */
export async function runDnsperf(namespacePath: string, options: DnsperfOptions): Promise<DnsperfResult> {
  const { server, queriesPerSecond, seconds, clients = 8, outstanding = 100, timeoutSeconds = 5 } = options;
  const folder = await mkdtemp(join(tmpdir(), 'synscope-dnsperf-'));
  try {
    const file = join(folder, 'queries');
    // It may send a few more than the rate says.
    const count = Math.ceil(queriesPerSecond * seconds * 1.1) + clients;
    await writeFile(
      file,
      Array.from({ length: count }, (_, index) => `q${index}.${volumeSuffix} A\n`).join(''),
    );
    const output = await runInNamespace(
      namespacePath,
      'dnsperf',
      ...['-s', server.address, '-p', String(server.port), '-d', file],
      ...['-l', String(seconds), '-Q', String(queriesPerSecond), '-c', String(clients)],
      ...['-q', String(outstanding), '-t', String(timeoutSeconds), '-O', 'suppress=timeouts'],
    );
    const figure = (label: string) => {
      const value = new RegExp(`${label}:\\s+([\\d.]+)`).exec(output)?.[1];
      if (value === undefined) throw new Error(`dnsperf says nothing of "${label}":\n${output}`);
      return Number(value);
    };
    return {
      sent: figure('Queries sent'),
      completed: figure('Queries completed'),
      lost: figure('Queries lost'),
      queriesPerSecond: figure('Queries per second'),
      averageLatencySeconds: figure('Average Latency \\(s\\)'),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
