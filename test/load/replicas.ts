/**
 * Two replicas of the control plane, in processes of their own, on one Postgres: how soon a session that is created on one runs on an agent that
 * the other one holds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startThrowawayPostgres } from '@synscope/testing';
import { LoadApi } from './lib/load-api.ts';
import { percentile } from './lib/percentile.ts';
import { type Replica, startReplica } from './lib/replica.ts';
import type { SimulatedAgent } from './lib/simulated-agent.ts';
import { NO_FAULTS, startFleet } from './lib/simulated-fleet.ts';

const LIMIT_MS = 1_000;

const { values: options } = parseArgs({
  options: {
    sessions: { type: 'string', default: '200' },
    agents: { type: 'string', default: '20' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log('npm run bench:replicas -- [--sessions 200] [--agents 20]');
  process.exit(0);
}
const sessions = positive('sessions');
const agents = positive('agents');

const postgres = await startThrowawayPostgres({ durable: true });
const directories = [0, 1].map(() => mkdtemp(join(tmpdir(), 'synscope-replicas-')));
const replicas: Replica[] = [];
let fleet: SimulatedAgent[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void end().then(() => process.exit(130)));
try {
  for (const directory of directories) replicas.push(await startReplica(postgres.url, await directory));
  const [here, there] = replicas as [Replica, Replica];
  const api = await LoadApi.of((await directories[0]) ?? '');
  fleet = await startFleet({
    agents,
    seed: 1,
    addresses: [there.grpcAddress],
    joinToken: await api.joinToken(here.url, agents),
    faults: NO_FAULTS,
  });
  // From the request until this replica has answered that the agent of the other one runs it.
  const waits: number[] = [];
  for (let session = 0; session < sessions; session++) {
    const host = fleet[session % agents]?.hostname;
    const start = performance.now();
    const answer = await api.startSession(here.url, `host=${host}`, '?wait=30s');
    waits.push(answer.targets.running === 1 ? performance.now() - start : Number.POSITIVE_INFINITY);
    // That its end is known here may take a second, which nobody waits for.
    await api.stopSession(here.url, answer.id, '');
  }
  const [p50, p99, slowest] = [0.5, 0.99, 1].map((share) => percentile(waits, share)) as [
    number,
    number,
    number,
  ];
  const reached = p99 <= LIMIT_MS;
  console.log(
    `${sessions} sessions created on one replica, on ${agents} agents of the other, ${cpus().length} CPUs: running and known so after ` +
      `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, at most ${slowest.toFixed(0)} ms; limit p99 ${LIMIT_MS} ms: ${reached ? 'reached' : 'MISSED'}`,
  );
  process.exitCode = reached ? 0 : 1;
} finally {
  await Promise.all(fleet.map((agent) => agent.close()));
  await end();
}

/** Nothing stays behind, also when it is interrupted. */
async function end(): Promise<void> {
  for (const replica of replicas) replica.process.kill('SIGTERM');
  await Promise.all(replicas.map(({ exited }) => exited));
  await postgres.remove();
  for (const directory of directories) await rm(await directory, { recursive: true, force: true });
}

function positive(name: 'sessions' | 'agents'): number {
  const value = Number(options[name]);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`--${name} takes a whole number of at least 1, not ${options[name]}`);
  return process.exit(2);
}
