/**
 * A fleet of simulated agents on one replica: how soon a session runs on them, what their heartbeats cost, what they hold. Agents speak the
 * real protocol over mutual TLS, each on a connection of its own; some fail, by chance that a seed repeats.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startThrowawayPostgres } from '@synscope/testing';
import { LoadApi } from './lib/load-api.ts';
import { percentile } from './lib/percentile.ts';
import { costOf, type Replica, startReplica } from './lib/replica.ts';
import type { SimulatedAgent } from './lib/simulated-agent.ts';
import { startFleet } from './lib/simulated-fleet.ts';

const RUNNING_LIMIT_MS = 2_000;
const HEARTBEAT_LIMIT_PERCENT = 10;
/** After the agents have connected, until the replica has digested that. */
const SETTLE_SECONDS = 15;

const { values: options } = parseArgs({
  options: {
    agents: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    sessions: { type: 'string', default: '5' },
    'heartbeat-seconds': { type: 'string', default: '60' },
    'disconnects-per-hour': { type: 'string', default: '2' },
    'slow-share': { type: 'string', default: '0.002' },
    'slow-ms': { type: 'string', default: '5000' },
    'refusal-share': { type: 'string', default: '0.01' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(
    'npm run bench:fleet -- [--agents 1000] [--seed 1] [--sessions 5] [--heartbeat-seconds 60]\n' +
      '  [--disconnects-per-hour 2 per agent] [--slow-share 0.002] [--slow-ms 5000 at most] [--refusal-share 0.01]',
  );
  process.exit(0);
}
const count = number('agents', 1);
const seed = number('seed', 0);
const faults = {
  disconnectsPerHour: number('disconnects-per-hour', 0),
  slowShare: number('slow-share', 0),
  slowMs: number('slow-ms', 0),
  refusalShare: number('refusal-share', 0),
};

const postgres = await startThrowawayPostgres({ durable: true });
const dataDirectory = await mkdtemp(join(tmpdir(), 'synscope-fleet-'));
let replica: Replica | undefined;
let fleet: SimulatedAgent[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void end().then(() => process.exit(130)));
try {
  replica = await startReplica(postgres.url, dataDirectory);
  const { pid } = replica.process;
  const api = await LoadApi.of(dataDirectory);
  const empty = costOf(pid);
  const begun = performance.now();
  fleet = await startFleet({
    agents: count,
    seed,
    addresses: [replica.grpcAddress],
    joinToken: await api.joinToken(replica.url, count),
    faults,
  });
  const connectedIn = (performance.now() - begun) / 1_000;
  console.log(
    `${count} agents enrolled and connected in ${connectedIn.toFixed(1)} s, seed ${seed}, ${cpus().length} CPUs; ` +
      `faults: ${faults.disconnectsPerHour} disconnects per agent and hour, ${faults.refusalShare * 100} % of sessions refused, ` +
      `${faults.slowShare * 100} % answered up to ${faults.slowMs} ms late\n`,
  );

  await pass(SETTLE_SECONDS * 1_000);
  const heartbeats = await heartbeatCost(pid, number('heartbeat-seconds', 1));
  const idle = costOf(pid);
  const tooLate = await sessions(replica, api, number('sessions', 1));
  const busy = costOf(pid);

  const reconnects = fleet.reduce((sum, agent) => sum + agent.reconnects, 0);
  console.log(
    `\nheartbeats: ${heartbeats.toFixed(1)} % of a core; limit ${HEARTBEAT_LIMIT_PERCENT} %${heartbeats > HEARTBEAT_LIMIT_PERCENT ? ': MISSED' : ''}`,
  );
  console.log(
    `resident memory of the replica: ${empty.residentMb.toFixed(0)} MB without agents, ${idle.residentMb.toFixed(0)} MB with ${count} of them ` +
      `(${(((idle.residentMb - empty.residentMb) * 1_024) / count).toFixed(0)} kB each), ${busy.residentMb.toFixed(0)} MB after the sessions`,
  );
  console.log(`${reconnects} connections were lost and came back`);
  if (tooLate || heartbeats > HEARTBEAT_LIMIT_PERCENT) process.exitCode = 1;
} finally {
  await Promise.all(fleet.map((agent) => agent.close()));
  await end();
}

/** Nothing stays behind, also when it is interrupted. */
async function end(): Promise<void> {
  replica?.process.kill('SIGTERM');
  await replica?.exited;
  await postgres.remove();
  await rm(dataDirectory, { recursive: true, force: true });
}

/** Percent of a core, over some seconds in which nothing else happens. */
async function heartbeatCost(pid: number | undefined, seconds: number): Promise<number> {
  const before = costOf(pid);
  await pass(seconds * 1_000);
  return ((costOf(pid).cpuSeconds - before.cpuSeconds) / seconds) * 100;
}

/** True if one of them was running on 99 % of its targets too late. */
async function sessions(on: Replica, api: LoadApi, times: number): Promise<boolean> {
  console.log(
    'session   running  refused   answered   50 % running   99 % running   all running   replica CPU',
  );
  let missed = false;
  for (let session = 1; session <= times; session++) {
    const cpuBefore = costOf(on.process.pid).cpuSeconds;
    const start = performance.now();
    const { id, createdAt } = await api.startSession(on.url, '');
    const answeredMs = performance.now() - start;
    const answer = await everyTargetAnswered(on, api, id);
    // By the database's clock: from the creation of the session to the commit of each "running".
    const begun = (await api.beginOfTargets(on.url, id)).filter((time) => time !== null);
    const running = begun.map((time) => Date.parse(time) - Date.parse(createdAt));
    // Of the targets that run or will: one that has not begun by now counts as the slowest.
    const wanted = answer.matched - answer.failed;
    const all = [...running, ...Array<number>(Math.max(0, wanted - running.length)).fill(Infinity)];
    const late = percentile(all, 0.99) > RUNNING_LIMIT_MS;
    missed ||= late;
    const cpu = costOf(on.process.pid).cpuSeconds - cpuBefore;
    console.log(
      String(session).padStart(7) +
        String(running.length).padStart(10) +
        String(answer.failed).padStart(9) +
        milliseconds(answeredMs, 11) +
        milliseconds(percentile(all, 0.5), 15) +
        milliseconds(percentile(all, 0.99), 15) +
        milliseconds(percentile(all, 1), 14) +
        `${cpu.toFixed(2)} s`.padStart(14) +
        (late ? `   MISSED: 99 % within ${RUNNING_LIMIT_MS} ms` : ''),
    );
    await api.stopSession(on.url, id);
  }
  return missed;
}

async function everyTargetAnswered(on: Replica, api: LoadApi, id: string) {
  const deadline = performance.now() + 30_000 + faults.slowMs;
  for (;;) {
    const { targets } = await api.call<{ targets: { matched: number; pending: number; failed: number } }>(
      'GET',
      on.url,
      `/trace-sessions/${id}`,
    );
    if (targets.pending === 0 || performance.now() > deadline) return targets;
    await pass(200);
  }
}

function milliseconds(value: number, width: number): string {
  return `${Number.isFinite(value) ? Math.round(value).toLocaleString('en') : 'never'} ms`.padStart(width);
}

function number(name: keyof typeof options, least: number): number {
  const value = Number(options[name]);
  if (Number.isFinite(value) && value >= least) return value;
  console.error(`--${name} takes a number of at least ${least}, not ${options[name]}`);
  return process.exit(2);
}
