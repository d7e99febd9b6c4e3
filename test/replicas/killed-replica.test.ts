import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { FrameType } from '@synscope/probe-wire';
import { createTestDatabase, type TestDatabase } from '@synscope/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Agent } from '../../apps/agent/src/agent.ts';
import { resolveConfiguration } from '../../apps/agent/src/configuration/configuration.ts';
import { handshakesPayload } from '../../apps/agent/src/testing/record-bytes.ts';
import { StandInProbe, type StandInRun } from '../../apps/agent/src/testing/stand-in-probe.ts';
import { TestLog } from '../../apps/agent/src/testing/test-log.ts';
import { LoadApi } from '../load/lib/load-api.ts';
import { CONTROL_PLANE, type Replica, startReplica } from '../load/lib/replica.ts';

const AGENTS = 4;
/** Of each agent, a third each before, at and after the death of a replica. */
const RECORDS = 90;

let database: TestDatabase;
let folder: string;
const replicas: Replica[] = [];
const agents: Agent[] = [];
const probes: StandInProbe[] = [];
const log = new TestLog();

beforeAll(async () => {
  if (!existsSync(CONTROL_PLANE)) throw new Error(`${CONTROL_PLANE} is missing: npm run build first`);
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'synscope-replicas-'));
});
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await Promise.all(probes.map((probe) => probe.stop()));
  for (const { process } of replicas) process.kill('SIGTERM');
  await Promise.all(replicas.map(({ exited }) => exited));
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** The shipped agent in this process, with a probe that says what the test wants. */
async function startAgent(index: number, token: string): Promise<StandInRun> {
  const probe = await StandInProbe.start();
  probes.push(probe);
  const agent = new Agent(
    resolveConfiguration([
      {
        server: replicas.map(({ grpcAddress }) => grpcAddress).join(),
        token,
        labels: { index: String(index) },
        dataDir: join(folder, `agent-${index}`),
        probe: probe.path,
      },
    ]),
    log,
  );
  agents.push(agent);
  await agent.start();
  return probe.runs.next();
}

it('a replica that is killed takes nothing along: its agents go on at the other, with the session and every record once', async () => {
  replicas.push(await startReplica(database.url, join(folder, 'a')));
  replicas.push(await startReplica(database.url, join(folder, 'b')));
  const [first, second] = replicas as [Replica, Replica];
  const api = await LoadApi.of(join(folder, 'a'));
  const token = await api.joinToken(first.url, AGENTS);
  const runs = await Promise.all(Array.from({ length: AGENTS }, (_, index) => startAgent(index, token)));
  await api.until(first.url, '/agents?status=online', ({ items }) => items.length === AGENTS);

  const session = await api.startSession(first.url, '', '?wait=60s');
  expect(session.targets).toMatchObject({ matched: AGENTS, running: AGENTS });
  const revisions = await Promise.all(
    runs.map(async (run) => (await run.configures.next(({ probes: wanted }) => wanted.length > 0)).revision),
  );
  // A pid tells one record of an agent from another.
  let sent = 0;
  const record = (count: number) => {
    for (let one = 0; one < count; one++) {
      sent++;
      const nowNs = BigInt(Date.now()) * 1_000_000n;
      runs.forEach((run, index) => {
        const values = { revision: revisions[index] ?? 0, slots: 1n, pid: sent };
        run.send(FrameType.handshakes, handshakesPayload(nowNs, [values]));
      });
    }
  };
  record(RECORDS / 3);
  const handshakes = `/handshakes?sessionId=${session.id}&limit=1000`;
  await api.until(second.url, handshakes, ({ items }) => items.length > 0);

  // Whichever has agents: all of them begin at either by chance.
  const [killed, left] = (await streamsOf(first)) > 0 ? [first, second] : [second, first];
  record(RECORDS / 3);
  killed.process.kill('SIGKILL');
  await killed.exited;
  record(RECORDS / 3);

  while ((await streamsOf(left)) < AGENTS) await pass(50);
  const targets = `/trace-sessions/${session.id}/targets?state=running`;
  await api.until(left.url, targets, ({ items }) => items.length === AGENTS);
  const summary = `/handshakes/summary?sessionId=${session.id}`;
  await api.until(left.url, summary, ({ items }) => items[0]?.count >= AGENTS * RECORDS);
  const stopped = await api.stopSession(left.url, session.id);
  expect(stopped).toMatchObject({ state: 'stopped', loss: { records: 0, intervals: [] } });
  const stored = await api.all<{ agentId: string; process: { pid: number } }>(left.url, handshakes);
  const byAgent = Map.groupBy(stored, ({ agentId }) => agentId);
  expect(byAgent.size).toBe(AGENTS);
  const every = Array.from({ length: RECORDS }, (_, index) => index + 1);
  for (const records of byAgent.values()) {
    const pids = records.map(({ process }) => process.pid);
    expect(pids.toSorted((one, other) => one - other)).toEqual(every);
  }
}, 180_000);

/** Streams of agents that a replica holds. */
async function streamsOf({ url }: Replica): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^synscope_agents_connected (\d+)$/m.exec(metrics)?.[1]);
}
