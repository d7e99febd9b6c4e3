import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Load } from './load.ts';

const reflector = fileURLToPath(new URL('../../test/lab/.build/dns-reflector', import.meta.url));
const ADDRESS = '127.0.0.1';

const names = Array.from({ length: 1000 }, (_, i) => `host${i}.bench.example ${i % 2 ? 'A' : 'AAAA'}\n`).join(
  '',
);

/** Waits for the child's first line. */
async function spawnUntilReady(file: string, ...args: string[]): Promise<ChildProcess> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ready = once(createInterface({ input: child.stdout }), 'line');
  await Promise.race([
    ready,
    once(child, 'close').then(() => {
      throw new Error(`${file} ended before it was ready`);
    }),
  ]);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.stdin?.end();
  await closed;
}

async function terminate(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  await closed;
}

/** Answers from its configuration, as a resolver does from its cache. It says on stderr that it has started. */
const dnsmasq = [
  ...['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--log-facility=-', '--user=root'],
  ...['--no-resolv', '--no-hosts', '--pid-file', `--listen-address=${ADDRESS}`, '--bind-interfaces'],
  ...['--address=/bench.example/192.0.2.1', '--address=/bench.example/2001:db8::1'],
];

/** Who answers: the least that can (test/lab), or a resolver that people run. */
export type Responder = 'reflector' | 'dnsmasq';

/** CPU time of all threads until now (proc_pid_schedstat: its first number, ns). */
async function cpuNs(pid: number | undefined): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const figures = await Promise.all(
    threads.map((id) => readFile(`/proc/${pid}/task/${id}/schedstat`, 'utf8')),
  );
  return figures.reduce((sum, figure) => sum + Number(figure.split(' ')[0]), 0);
}

/** What the shell's `times` says of its children, in its last line: user, then system, each as 0m0.12s. */
function childrenSeconds(output: string): number {
  const [user, system] = [...(output.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  const seconds = (match: RegExpMatchArray | undefined) => 60 * Number(match?.[1]) + Number(match?.[2]);
  return seconds(user) + seconds(system);
}

/** dnsperf and who answers it, on loopback in a network namespace of their own. */
export class Dnsperf implements AsyncDisposable {
  private readonly namespace: ChildProcess;
  private readonly responder: ChildProcess;

  /** dnsperf reads its queries again and again, so from a file. */
  private readonly queries: string;
  private readonly resources: AsyncDisposableStack;

  private constructor(
    namespace: ChildProcess,
    responder: ChildProcess,
    queries: string,
    resources: AsyncDisposableStack,
  ) {
    this.namespace = namespace;
    this.responder = responder;
    this.queries = queries;
    this.resources = resources;
  }

  static async start(kind: Responder): Promise<Dnsperf> {
    await using resources = new AsyncDisposableStack();
    const folder = resources.use(await mkdtempDisposable(join(tmpdir(), 'synscope-bench-')));
    const queries = join(folder.path, 'queries');
    await writeFile(queries, names);
    const namespace = resources.adopt(
      await spawnUntilReady('unshare', '--net', 'sh', '-c', 'ip link set lo up && echo up && exec cat'),
      end,
    );
    const netns = `/proc/${namespace.pid}/ns/net`;
    const responder =
      kind === 'reflector'
        ? resources.adopt(await spawnUntilReady(reflector, '--netns', netns, ADDRESS, '53'), end)
        : resources.adopt(
            await spawnUntilReady('sh', '-c', 'exec nsenter "$@" 2>&1', 'sh', `--net=${netns}`, ...dnsmasq),
            terminate,
          );
    return new Dnsperf(namespace, responder, queries, resources.move());
  }

  /** As many queries as it gets through, 100 at once on 4 sockets. */
  async run(seconds: number): Promise<Load> {
    const dnsperf = [
      'dnsperf',
      '-s',
      ADDRESS,
      '-d',
      this.queries,
      '-l',
      String(seconds),
      '-c',
      '4',
      '-q',
      '100',
    ];
    const before = await cpuNs(this.responder.pid);
    const timed = ['sh', '-c', '"$@" && times', 'sh', ...dnsperf];
    const child = spawn('nsenter', [`--net=/proc/${this.namespace.pid}/ns/net`, ...timed], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await once(child, 'close');
    const figure = (label: string) =>
      Number(new RegExp(`${label}:\\s+([\\d.]+)`).exec(output)?.[1] ?? Number.NaN);
    const lost = figure('Queries lost');
    if (lost !== 0) console.log(`  dnsperf lost ${lost} queries`);
    const count = figure('Queries completed');
    const cpuSeconds = childrenSeconds(output) + ((await cpuNs(this.responder.pid)) - before) / 1e9;
    return { count, perSecond: figure('Queries per second'), cpuMicroseconds: (1e6 * cpuSeconds) / count };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resources.disposeAsync();
  }
}
