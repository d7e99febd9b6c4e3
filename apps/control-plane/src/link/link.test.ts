import { status } from '@grpc/grpc-js';
import { Logger } from '@nestjs/common';
import { SessionState } from '@synscope/protocol';
import { createKey, FakeAgent, type FakeIdentity, identityFrom } from '@synscope/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { dnsQueryRecord } from '../testing/dns-query-record.js';
import { eventually } from '../testing/eventually.js';
import { type TestFleet, testFleet } from '../testing/fleet.js';
import { batchOf, handshakeRecord } from '../testing/handshake-batch.js';
import { nameLookupRecord } from '../testing/name-lookup-record.js';
import { receiveQueueDropRecord } from '../testing/receive-queue-drop-record.js';
import { recordBatch } from '../testing/record-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let application: TestApplication;
let fleet: TestFleet;
let database: pg.Client;
beforeAll(async () => {
  // Heartbeats every second, so that silence is noticed within the time of a test.
  application = await startTestApplication({ SYNSCOPE_AGENT_HEARTBEAT: '1s', SYNSCOPE_AGENT_LEASE: '3s' });
  fleet = testFleet(application);
  database = new pg.Client({ connectionString: application.databaseUrl });
  await database.connect();
});
afterEach(() => fleet.close());
afterAll(async () => {
  await database.end();
  await application.close();
});

const agentRow = async (identity: FakeIdentity) =>
  (await application.call('GET', `/agents/${identity.agentId}`)).body;

/** A stream that has not said hello. */
function open(identity: FakeIdentity | null, authority?: string): FakeAgent {
  return new FakeAgent({ address: fleet.address, identity, ...(authority !== undefined && { authority }) });
}

describe('the link', () => {
  it('welcomes an agent and shows what it said of itself', async () => {
    const identity = await fleet.enrol();
    const agent = open(identity);
    agent.hello({ hostname: 'web-1', labels: { env: 'prod' } });
    const welcome = await agent.welcomes.next();
    expect(welcome).toMatchObject({ heartbeatIntervalMs: 1_000, leaseMs: 3_000, maxUnackedBatches: 8 });
    expect(await agent.desired.next()).toMatchObject({ sessions: [] });
    expect(await agentRow(identity)).toMatchObject({
      hostname: 'web-1',
      status: 'online',
      labels: { env: 'prod' },
      kernel: '6.1.0-fake',
      architecture: 'x86_64',
      agentVersion: '0.0.0-fake',
      capabilities: expect.arrayContaining([{ name: 'tcp_handshake.client', available: true, detail: '' }]),
      revokedAt: null,
    });
    agent.finishSending();
    expect(await agent.ended).toMatchObject({ code: status.OK });
    await eventually(
      () => agentRow(identity),
      (row) => row.status === 'offline',
    );
  });

  it('keeps what heartbeats tell', async () => {
    const agent = await fleet.agent();
    agent.heartbeat({
      sentAtUs: BigInt(Date.now() + 60_000) * 1_000n,
      cost: { $typeName: 'synscope.agent.v1.AgentCost', bpfRunTimeNs: 5n, agentResidentBytes: 7n },
    });
    const row = await eventually(
      () => application.call('GET', `/agents/${agent.agentId}`),
      ({ body }) => body.cost !== null,
    );
    expect(row.body.cost).toMatchObject({ bpfRunTimeNs: 5, agentResidentBytes: 7, probeCpuUs: null });
  });

  it('keeps what an agent makes of the answers to its heartbeats, and knows nothing of its clock again at the next stream', async () => {
    const agent = await fleet.agent();
    agent.heartbeat({ sentAtUs: 5n });
    const answer = await agent.heartbeatAnswers.next();
    expect(answer.sentAtUs).toBe(5n);
    expect(answer.answeredAtUs).toBeGreaterThanOrEqual(answer.receivedAtUs);
    agent.heartbeat({ clockOffset: { offsetUs: -1_500n, uncertaintyUs: 80n } });
    const row = await eventually(
      () => application.call('GET', `/agents/${agent.agentId}`),
      ({ body }) => body.clockOffsetUncertaintyUs !== null,
    );
    expect(row.body).toMatchObject({ clockOffsetUs: -1_500, clockOffsetUncertaintyUs: 80 });
    await fleet.connect(agent.identity ?? expect.fail('enrolled'));
    expect((await application.call('GET', `/agents/${agent.agentId}`)).body).toMatchObject({
      clockOffsetUs: null,
      clockOffsetUncertaintyUs: null,
    });
  });

  it('takes the clock offset of an agent of protocol 1 from one way, and does not answer it', async () => {
    const agent = await fleet.agent({}, { hello: { protocolVersion: 1 } });
    agent.heartbeat({ sentAtUs: BigInt(Date.now() + 60_000) * 1_000n });
    const row = await eventually(
      () => application.call('GET', `/agents/${agent.agentId}`),
      ({ body }) => body.clockOffsetUs !== null,
    );
    expect(row.body.clockOffsetUs / 1_000_000).toBeCloseTo(60, 0);
    expect(row.body.clockOffsetUncertaintyUs).toBeNull();
    expect(agent.heartbeatAnswers.size).toBe(0);
  });

  it('ends the stream over a clock offset that no clock has', async () => {
    const agent = await fleet.agent();
    agent.heartbeat({ clockOffset: { offsetUs: -(2n ** 62n), uncertaintyUs: 0n } });
    expect(await agent.ended).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('heartbeat.clock_offset.offset_us'),
    });
  });

  it('refuses a stream without a certificate', async () => {
    const { authority } = await fleet.enrol();
    const agent = open(null, authority);
    agent.hello();
    expect(await agent.ended).toMatchObject({
      code: status.UNAUTHENTICATED,
      details: expect.stringContaining('enrol'),
    });
  });

  it('refuses a certificate of another authority', async () => {
    const other = await startTestApplication();
    try {
      const foreign = await testFleet(other).enrol();
      const { authority } = await fleet.enrol();
      const agent = open({ ...foreign, authority });
      agent.hello();
      expect(await agent.ended).toMatchObject({ code: status.UNAUTHENTICATED });
    } finally {
      await other.close();
    }
  });

  it('refuses anything before hello', async () => {
    const agent = open(await fleet.enrol());
    agent.heartbeat();
    expect(await agent.ended).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'the first message must be hello, not heartbeat',
    });
  });

  it.each([
    ['a boot id of another length', { bootId: new Uint8Array(3) }, 'hello.boot_id'],
    ['a protocol version of the future', { protocolVersion: 999 }, 'update the control plane'],
    ['a protocol version that never was', { protocolVersion: 0 }, 'install a newer agent'],
    ['a bad label', { labels: { env: 'a b' } }, 'labels: "env"'],
    ['no hostname', { hostname: '' }, 'hostname'],
  ])('refuses a hello with %s', async (_, hello, named) => {
    const agent = open(await fleet.enrol());
    agent.hello(hello);
    expect(await agent.ended).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining(named),
    });
  });

  it('ends a stream of malformed protobuf with what is wrong, and serves the others', async () => {
    const bystander = await fleet.agent();
    const agent = await fleet.agent();
    agent.sendBytes(Buffer.from([0x12, 0xff, 0xff, 0xff]));
    expect(await agent.ended).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('not a ConnectRequest'),
    });
    bystander.batch(batchOf(1, []));
    expect(await bystander.acks.next()).toBe(1n);
  });

  it('acknowledges batches once they are stored, the repeated ones too', async () => {
    const agent = await fleet.agent();
    agent.batch(batchOf(1, [handshakeRecord(), handshakeRecord()]));
    agent.batch(batchOf(2, [handshakeRecord()]));
    expect(new Set([await agent.acks.next(), await agent.acks.next()])).toEqual(new Set([1n, 2n]));
    agent.batch(batchOf(2, [handshakeRecord()]));
    expect(await agent.acks.next()).toBe(2n);
    const stored = await database.query('SELECT count(*)::int AS rows FROM handshake WHERE agent_id = $1', [
      agent.agentId,
    ]);
    expect(stored.rows).toEqual([{ rows: 3 }]);
  });

  it('takes more batches than may be unacknowledged, one after the other', async () => {
    const agent = await fleet.agent();
    for (let seq = 1; seq <= 50; seq++) agent.batch(batchOf(seq, [handshakeRecord()]));
    const acks = new Set<bigint>();
    while (acks.size < 50) acks.add(await agent.acks.next());
    expect(agent.acks.size).toBe(0);
  });

  it('ends the stream over a batch that can never be stored, with the reason', async () => {
    const agent = await fleet.agent();
    agent.batch(batchOf(1, [handshakeRecord({ localPort: 70_000 })]));
    expect(await agent.ended).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/batch: .*port/),
    });
  });

  it('stores records of every kind that a batch brings, and acknowledges them once', async () => {
    const agent = await fleet.agent();
    const contents = {
      handshakes: [handshakeRecord()],
      dnsQueries: [dnsQueryRecord(), dnsQueryRecord()],
      nameLookups: [nameLookupRecord()],
      receiveQueueDrops: [receiveQueueDropRecord()],
    };
    agent.batch(recordBatch(1, contents));
    expect(await agent.acks.next()).toBe(1n);
    const { rows } = await database.query(
      `SELECT (SELECT count(*)::int FROM handshake WHERE agent_id = $1) AS handshakes,
              (SELECT count(*)::int FROM dns_query WHERE agent_id = $1) AS queries,
              (SELECT count(*)::int FROM name_lookup WHERE agent_id = $1) AS lookups,
              (SELECT count(*)::int FROM receive_queue_drop WHERE agent_id = $1) AS drops`,
      [agent.agentId],
    );
    expect(rows).toEqual([{ handshakes: 1, queries: 2, lookups: 1, drops: 1 }]);
  });

  it('ends the stream over a name that could steer a terminal, and says which it was', async () => {
    const agent = await fleet.agent();
    agent.batch(recordBatch(1, { dnsQueries: [dnsQueryRecord({ queryName: 'a\u001b]0;b' })] }));
    expect(await agent.ended).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/dns_queries\.query_names\[0\] has byte 0x1b/),
    });
  });

  it('lets the newer of two streams of one agent count', async () => {
    const identity = await fleet.enrol();
    const older = await fleet.connect(identity);
    const newer = await fleet.connect(identity);
    expect(await older.ended).toMatchObject({
      code: status.ABORTED,
      details: expect.stringContaining('newer'),
    });
    newer.batch(batchOf(1, []));
    expect(await newer.acks.next()).toBe(1n);
    expect(await agentRow(identity)).toMatchObject({ status: 'online' });
  });

  it('cuts the stream of an agent that is revoked, and does not let it back in', async () => {
    const agent = await fleet.agent({ test: 'revoked' });
    const { body: session } = await fleet.session({ selector: 'test=revoked' }, '?wait=10s');
    expect((await application.call('DELETE', `/agents/${agent.agentId}`)).status).toBe(204);
    expect(await agent.ended).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: 'this agent was revoked',
    });
    const ended = await application.call('GET', `/trace-sessions/${session.id}?wait=10s`);
    expect(ended.body).toMatchObject({ state: 'failed', targets: { failed: 1 } });
    const again = open(agent.identity);
    again.hello();
    expect(await again.ended).toMatchObject({ code: status.PERMISSION_DENIED });
    expect((await application.call('GET', '/agents?selector=test=revoked')).body.items).toEqual([]);
  });

  it('renews a certificate on the stream, also for a new key', async () => {
    const agent = await fleet.agent();
    const { privateKey, signingRequest } = await createKey();
    agent.send({ case: 'certificateSigningRequest', value: signingRequest });
    const renewed = identityFrom(agent.agentId, privateKey, await agent.certificates.next());
    const again = await fleet.connect(renewed);
    again.batch(batchOf(1, []));
    expect(await again.acks.next()).toBe(1n);
  });

  it('keeps the leases of a silent fleet alive, and ends a stream that stays silent', async () => {
    const agent = await fleet.agent();
    await agent.desired.next();
    const repeated = await agent.desired.next();
    expect(repeated.sessions).toEqual([]);
    expect(await agent.ended).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
      details: 'no heartbeat for 3 s',
    });
    const row = await eventually(
      () => application.call('GET', `/agents/${agent.agentId}`),
      ({ body }) => body.status === 'offline',
    );
    expect(row.body.status).toBe('offline');
  });

  it('gives sessions out again after the listening connection was lost', async () => {
    const agent = await fleet.agent({ test: 'feed' });
    const killed = await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'synscope-changes' AND datname = current_database()`,
    );
    expect(killed.rowCount).toBe(1);
    const { body } = await fleet.session({ selector: 'test=feed' }, '?wait=20s');
    expect(body.targets).toMatchObject({ running: 1 });
    expect(agent.running.has(body.id)).toBe(true);
  });

  it('tells an agent to end a session that nobody asked it for, counts each report of it and logs it once', async () => {
    const reports = async () => {
      const { text } = await application.call('GET', '/metrics');
      return Number(/^synscope_unasked_session_reports_total (\d+)$/m.exec(text)?.[1]);
    };
    const warn = vi.spyOn(Logger.prototype, 'warn');
    const before = await reports();
    const agent = await fleet.agent();
    const { revision } = await agent.desired.next();
    const sessionId = '019a8f00-0000-7000-8000-000000000001';
    for (let report = 0; report < 2; report++) {
      agent.report(sessionId, SessionState.RUNNING);
      expect(await agent.desired.next()).toMatchObject({ revision, sessions: [] });
    }
    // An end that nobody waits for is none of that.
    agent.report(sessionId, SessionState.DONE);
    agent.batch(batchOf(1, []));
    expect(await agent.acks.next()).toBe(1n);
    expect(await reports()).toBe(before + 2);
    expect(warn.mock.calls.filter(([text]) => String(text).includes(sessionId))).toHaveLength(1);
    warn.mockRestore();
  });
});

it('tells agents to reconnect when it shuts down, and remembers them', async () => {
  const first = await startTestApplication({ DATABASE_URL: application.databaseUrl });
  const identity = await fleet.enrol();
  const agent = await FakeAgent.connect({ address: first.grpcAddress ?? '', identity });
  await first.close();
  expect(await agent.ended).toMatchObject({
    code: status.UNAVAILABLE,
    details: expect.stringContaining('shutting down'),
  });
  expect(await agentRow(identity)).toMatchObject({ status: 'offline' });
});

it('says in one sentence that the port for agents is taken', async () => {
  await expect(
    startTestApplication({ DATABASE_URL: application.databaseUrl, SYNSCOPE_GRPC_ADDR: fleet.address }),
  ).rejects.toThrow(/SYNSCOPE_GRPC_ADDR.*taken/);
});
