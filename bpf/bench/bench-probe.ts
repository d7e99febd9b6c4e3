/**
 * What tracing costs a host: loopback connections per second, bare against traced, in turns of one run.
 *
 *   all       every handshake of both sides leaves the kernel and is read here
 *   filtered  a session filter that lets nothing through (minLatencyMs 10)
 *   clients   the same filter for clients alone, which needs no hook of the server's side
 *   empty     a sockops program that does nothing, in our place: what no tracer with sockops can be cheaper than
 *
 * The median of the rounds' ratios counts: rounds lie next to each other in time, so that what else the machine does cancels out. The
 * BPF run time comes from rounds of its own, because measuring it costs time as well: the kernel looks at the clock before and after every
 * run. How much of the figure that is, a program that does nothing tells.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import {
  encodeConfigure,
  FrameSplitter,
  FrameType,
  type ProbeStats,
  parseConfigured,
  parseStats,
  type SlotSpec,
  structs,
} from '@synscope/probe-wire';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '25' }, seconds: { type: 'string', default: '0.5' } },
});
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);
const probePath = fileURLToPath(new URL('../.build/synscope-probe', import.meta.url));
const emptyPath = fileURLToPath(new URL('../.build/empty', import.meta.url));
const loopbackPath = fileURLToPath(new URL('../.build/loopback', import.meta.url));

const everything: SlotSpec = {
  slot: 0,
  minLatencyNs: 0n,
  sampleThreshold: 0xffffffff,
  roles: [],
  outcomes: [],
  remotePorts: [],
  localPorts: [],
  remotePrefixes: [],
  processNames: [],
};
const nothingThrough: SlotSpec = { ...everything, minLatencyNs: 10_000_000n };
const noClientThrough: SlotSpec = { ...nothingThrough, roles: [1] };

class Probe {
  records = 0;
  stats: ProbeStats | undefined;
  private revision = 0;
  private configured: (() => void) | undefined;
  private readonly process: ChildProcess;

  constructor(...extra: string[]) {
    this.process = spawn(probePath, extra, { stdio: ['pipe', 'pipe', 'inherit'] });
    const splitter = new FrameSplitter((type, payload) => this.receive(type, payload));
    this.process.stdout?.on('data', (chunk: Buffer) => splitter.push(chunk));
  }

  private receive(type: number, payload: Buffer): void {
    if (type === FrameType.handshakes) {
      this.records += (payload.length - structs.handshakes_header.size) / structs.handshake_record.size;
    } else if (type === FrameType.stats) {
      this.stats = parseStats(payload);
    } else if (type === FrameType.configured) {
      const { errors } = parseConfigured(payload);
      if (errors.length > 0) throw new Error(errors.map((error) => error.message).join('; '));
      this.configured?.();
    }
  }

  async configure(...slots: SlotSpec[]): Promise<void> {
    const answered = new Promise<void>((resolve) => {
      this.configured = resolve;
    });
    this.process.stdin?.write(encodeConfigure(++this.revision, slots));
    await answered;
  }

  async end(): Promise<void> {
    this.process.stdin?.end();
    await once(this.process, 'close');
  }
}

async function connectionsPerSecond(): Promise<{ connections: number; perSecond: number }> {
  const { stdout } = await promisify(execFile)(loopbackPath, [String(seconds)]);
  const run = JSON.parse(stdout) as { connections: number; seconds: number };
  return { connections: run.connections, perSecond: run.connections / run.seconds };
}

/** One run of the load with an empty program attached, and the kernel's figures for that. */
async function withEmptyProgram(...options: string[]) {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  const mount = mounts.split('\n').find((line) => line.includes(' - cgroup2 '));
  const process = spawn(emptyPath, [mount?.split(' ')[4] ?? '', ...options], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const run = await connectionsPerSecond();
  process.stdin.end();
  const cost = JSON.parse((await lines.next()).value as string) as { runTimeNs: number; runCount: number };
  return { run, ...cost };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const modes = ['all', 'filtered', 'clients', 'empty'] as const;
const ratios: Record<(typeof modes)[number], number[]> = { all: [], filtered: [], clients: [], empty: [] };
const probe = new Probe('--cost-sample-seconds', '0');
let emitted = 0;
let connections = 0;
console.log(
  `${rounds} rounds of ${seconds} s each: bare, ${modes.join(', ')} (connections/s, ratio to bare)`,
);
for (let round = 1; round <= rounds; round++) {
  await probe.configure();
  const bare = await connectionsPerSecond();
  await probe.configure(everything);
  const before = probe.records;
  const all = await connectionsPerSecond();
  await probe.configure(nothingThrough);
  emitted += probe.records - before;
  connections += all.connections;
  const filtered = await connectionsPerSecond();
  await probe.configure(noClientThrough);
  const clients = await connectionsPerSecond();
  await probe.configure();
  const { run: empty } = await withEmptyProgram();
  const runs = { all, filtered, clients, empty };
  for (const mode of modes) ratios[mode].push(runs[mode].perSecond / bare.perSecond);
  const shown = modes.map(
    (mode) => `${runs[mode].perSecond.toFixed(0)} (${ratios[mode].at(-1)?.toFixed(3)})`,
  );
  console.log(`  ${round}: ${bare.perSecond.toFixed(0)}  ${shown.join('  ')}`);
}
await probe.configure();
const loss = probe.stats?.loss;
await probe.end();

/** The kernel's figures for one run of the load, of the quietest of five. */
async function quietest(
  measure: () => Promise<{ runTimeNs: number; runCount: number; connections: number }>,
): Promise<{ microseconds: number; runs: number }> {
  const results = [];
  for (let i = 0; i < 5; i++) {
    const { runTimeNs, runCount, connections } = await measure();
    results.push({ microseconds: runTimeNs / connections / 1000, runs: runCount / connections });
  }
  results.sort((a, b) => a.microseconds - b.microseconds);
  return results[0] ?? { microseconds: Number.NaN, runs: Number.NaN };
}

async function measurePrograms() {
  const measuring = new Probe('--cost-sample-seconds', '3600');
  await measuring.configure(everything);
  const { connections } = await connectionsPerSecond();
  await measuring.configure();
  const { runTimeNs, runCount } = measuring.stats?.bpf ?? {};
  await measuring.end();
  return { runTimeNs: runTimeNs ?? Number.NaN, runCount: runCount ?? Number.NaN, connections };
}

async function measureEmptyProgram() {
  const { run, runTimeNs, runCount } = await withEmptyProgram('--measure');
  return { runTimeNs, runCount, connections: run.connections };
}

const programs = await quietest(measurePrograms);
const empty = await quietest(measureEmptyProgram);

const report = [
  {
    figure: 'every record emitted and consumed, ratio to bare',
    measured: median(ratios.all),
    limit: '≥ 0.85',
  },
  {
    figure: 'filter that lets nothing through, ratio to bare',
    measured: median(ratios.filtered),
    limit: '≥ 0.95',
  },
  { figure: '  the same for clients only', measured: median(ratios.clients), limit: '' },
  { figure: '  an empty sockops program instead', measured: median(ratios.empty), limit: '' },
  { figure: 'BPF time per connection, both sides (µs)', measured: programs.microseconds, limit: '≤ 1.0' },
  { figure: '  runs per connection', measured: programs.runs, limit: '' },
  {
    figure: '  µs for as many runs of an empty program',
    measured: (empty.microseconds / empty.runs) * programs.runs,
    limit: '',
  },
  { figure: 'records per connection', measured: emitted / connections, limit: '= 2' },
  { figure: 'records lost (ring full)', measured: loss?.ringFull ?? null, limit: '' },
];
console.table(
  report.map((row) => ({
    ...row,
    measured: row.measured === null ? 'not measured' : Number(row.measured.toFixed(3)),
  })),
);
