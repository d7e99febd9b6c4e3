/**
 * How many records per second go from gRPC clients over mutual TLS through the control plane into Postgres, acknowledged after their commit,
 * against `psql` loading the same rows by binary COPY into the same table. Both run in turns on the same Postgres, with the table's indexes and
 * default durability; what counts is the median of the rounds' ratios, because what else the machine does changes over time.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { BenchAgent } from './lib/bench-agent.ts';
import { startStack } from './lib/stack.ts';
import { SYNTHETIC_KINDS, SyntheticBatches, type SyntheticKind } from './lib/synthetic-batches.ts';

const TARGET_RATIO = 0.8;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '500000' },
    batch: { type: 'string', default: '1000' },
    agents: { type: 'string', default: '8' },
    kind: { type: 'string', default: 'handshake' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(
    'npm run bench:ingest -- [--rounds 5] [--rows 500000 per round] [--batch 1000 rows] [--agents 8] [--kind handshake|dns_query]',
  );
  process.exit(0);
}
const rounds = positive('rounds');
const rowsPerBatch = positive('batch');
const agentCount = positive('agents');
const table = syntheticKind();
const batchesPerRound = Math.ceil(positive('rows') / rowsPerBatch);
const rowsPerRound = batchesPerRound * rowsPerBatch;

const run = promisify(execFile);
const stack = await startStack();
const copyFile = join(tmpdir(), `synscope-bench-${process.pid}.copy`);
const agents: BenchAgent[] = [];
try {
  const token = await stack.joinToken(agentCount);
  for (let i = 0; i < agentCount; i++) agents.push(await BenchAgent.connect(stack.grpcTarget, token));
  const batches = new SyntheticBatches(
    table,
    rowsPerBatch,
    Buffer.from(randomUUID().replaceAll('-', ''), 'hex'),
  );

  await ingest(Math.min(100, batchesPerRound), batches);
  console.log(
    `${rowsPerRound} rows of ${table} per round, ${rowsPerBatch} per batch, ${agentCount} agents, ${cpus().length} CPUs\n`,
  );
  console.log('round   synscope rows/s   psql COPY rows/s   ratio   control plane CPU µs/row');
  const results: { synscope: number; psql: number; ratio: number }[] = [];
  for (let round = 1; round <= rounds; round++) {
    await empty();
    const cpuBefore = await cpuSeconds(stack.controlPlane.pid);
    const synscope = rowsPerRound / (await seconds(() => ingest(batchesPerRound, batches)));
    const cpuPerRow = ((await cpuSeconds(stack.controlPlane.pid)) - cpuBefore) / rowsPerRound;
    const stored = Number(await psql(`SELECT count(*) FROM ${table}`));
    if (stored !== rowsPerRound) throw new Error(`${stored} rows are stored, not ${rowsPerRound}`);
    await psql(`\\copy (select * from ${table}) to '${copyFile}' (format binary)`);
    await empty();
    const copied =
      rowsPerRound / (await seconds(() => psql(`\\copy ${table} from '${copyFile}' (format binary)`)));
    results.push({ synscope, psql: copied, ratio: synscope / copied });
    console.log(
      `${String(round).padStart(5)}${thousands(synscope, 18)}${thousands(copied, 19)}${(synscope / copied).toFixed(2).padStart(8)}${(cpuPerRow * 1e6).toFixed(2).padStart(20)}`,
    );
  }
  const ratio = median(results.map((result) => result.ratio));
  const reached = ratio >= TARGET_RATIO;
  console.log(
    `\nmedian: ${thousands(median(results.map((result) => result.synscope)), 0)} rows/s, ratio ${ratio.toFixed(2)}; target ≥ ${TARGET_RATIO}: ${reached ? 'reached' : 'MISSED'}`,
  );
  process.exitCode = reached ? 0 : 1;
} finally {
  for (const agent of agents) agent.close();
  await stack.stop();
  await rm(copyFile, { force: true });
}

async function ingest(count: number, batches: SyntheticBatches): Promise<void> {
  let left = count;
  const take = () => left-- > 0;
  await Promise.all(agents.map((agent) => agent.send(take, (seq) => batches.message(seq))));
}

/** The same start for both: empty tables, and nothing left to be written back. */
async function empty(): Promise<void> {
  await psql(`TRUNCATE ${table}`);
  await psql('CHECKPOINT');
}

async function psql(command: string): Promise<string> {
  const { stdout } = await run('psql', [
    '--no-psqlrc',
    '--tuples-only',
    '--no-align',
    '--quiet',
    '-v',
    'ON_ERROR_STOP=1',
    '-c',
    command,
    stack.databaseUrl,
  ]);
  return stdout.trim();
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}

/** User and system time of a process, from fields 14 and 15 of /proc/PID/stat in ticks of 10 ms. */
async function cpuSeconds(pid: number | undefined): Promise<number> {
  const { stdout } = await run('cat', [`/proc/${pid}/stat`]);
  const fields = stdout.slice(stdout.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function thousands(value: number, width: number): string {
  return Math.round(value).toLocaleString('en').padStart(width);
}

function positive(name: 'rounds' | 'rows' | 'batch' | 'agents'): number {
  const value = Number(options[name]);
  if (Number.isSafeInteger(value) && value > 0 && (name !== 'batch' || value <= 4_096)) return value;
  console.error(
    `--${name} takes a whole number of at least 1${name === 'batch' ? ' and at most 4096' : ''}, not ${options[name]}`,
  );
  return process.exit(2);
}

function syntheticKind(): SyntheticKind {
  const kind = SYNTHETIC_KINDS.find((known) => known === options.kind);
  if (kind) return kind;
  console.error(`--kind takes ${SYNTHETIC_KINDS.join(' or ')}, not ${options.kind}`);
  return process.exit(2);
}
