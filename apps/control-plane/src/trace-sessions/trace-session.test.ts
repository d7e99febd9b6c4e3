import { randomUUID } from 'node:crypto';
import { SessionState } from '@synscope/protocol';
import { uuidText } from '@synscope/testing';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type TestFleet, testFleet } from '../testing/fleet.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let application: TestApplication;
let fleet: TestFleet;
beforeAll(async () => {
  application = await startTestApplication();
  fleet = testFleet(application);
});
afterEach(() => fleet.close());
afterAll(() => application.close());

const get = (path: string) => application.call('GET', path);

describe('a trace session', () => {
  it('runs on every agent that matches, and answers when they do', async () => {
    const web = await fleet.agent({ test: 'lifecycle', role: 'web' });
    const api = await fleet.agent({ test: 'lifecycle', role: 'api' });
    await fleet.agent({ test: 'lifecycle', role: 'db' });
    const created = await fleet.session(
      {
        name: 'slow checkout',
        selector: 'test=lifecycle,role in (web,api)',
        filter: { minLatencyMs: 0.25, remoteCidrs: ['10.0.0.0/8'] },
      },
      '?wait=10s',
    );
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      name: 'slow checkout',
      state: 'running',
      message: null,
      targets: { matched: 2, pending: 0, running: 2, done: 0, failed: 0, offline: 0 },
    });
    for (const agent of [web, api]) {
      const desired = agent.running.get(created.body.id);
      expect(desired).toMatchObject({ sampleRate: 1, maxRecords: 100_000n, filter: { minLatencyUs: 250n } });
      expect(desired?.filter?.remotePrefixes).toMatchObject([
        { address: Buffer.from([10, 0, 0, 0]), length: 8 },
      ]);
      expect(Number(desired?.endsAtUs) / 1_000).toBe(Date.parse(created.body.endsAt));
    }
    const targets = await get(`/trace-sessions/${created.body.id}/targets?state=running`);
    expect(targets.body.items).toHaveLength(2);
    expect(targets.body.items[0]).toMatchObject({
      state: 'running',
      hooks: ['fake'],
      error: null,
      recordCount: 0,
    });
  });

  it('ends on every agent when it is stopped, and counts what they handed over', async () => {
    const agent = await fleet.agent({ test: 'stop' });
    const { body: session } = await fleet.session({ selector: 'test=stop' }, '?wait=10s');
    agent.report(session.id, SessionState.RUNNING, { recordCount: 41n });
    const stopped = await application.call('POST', `/trace-sessions/${session.id}/stop?wait=10s`);
    expect(stopped.body).toMatchObject({
      state: 'stopped',
      targets: { done: 1, running: 0 },
      recordCounts: { tcp_handshake: 41 },
    });
    expect(agent.running.size).toBe(0);
    const again = await application.call('POST', `/trace-sessions/${session.id}/stop`);
    expect(again.body).toMatchObject({ state: 'stopped', endedAt: stopped.body.endedAt });
    expect((await get('/audit-events?action=trace_session.stop')).body.items[0].resource.id).toBe(session.id);
  });

  it('ends by itself when its time is over, on the clock of the database', async () => {
    const agent = await fleet.agent({ test: 'duration' });
    const { body: session } = await fleet.session(
      { selector: 'test=duration', durationSeconds: 1 },
      '?wait=10s',
    );
    const ended = await get(`/trace-sessions/${session.id}?wait=30s`);
    expect(ended.body).toMatchObject({ state: 'completed', targets: { done: 1 } });
    expect(Date.parse(ended.body.endedAt)).toBeGreaterThanOrEqual(Date.parse(session.endsAt));
    expect(agent.running.size).toBe(0);
  });

  it('is completed before its time when every agent is done with it', async () => {
    const agent = await fleet.agent({ test: 'early' });
    const { body: session } = await fleet.session({ selector: 'test=early' }, '?wait=10s');
    agent.finish(session.id, { recordCount: 100_000n });
    const ended = await get(`/trace-sessions/${session.id}?wait=10s`);
    expect(ended.body).toMatchObject({ state: 'completed', recordCounts: { tcp_handshake: 100_000 } });
  });

  it('waits for agents that match while it is open', async () => {
    const { body: session } = await fleet.session({ selector: 'test=late' }, '?wait=10s');
    expect(session).toMatchObject({ state: 'pending', targets: { matched: 0 } });
    expect(session.message).toContain('No agent matches the selector yet');
    const agent = await fleet.agent({ test: 'late' });
    await agent.desired.until((desired) => desired.sessions.length === 1);
    await application.call('POST', `/trace-sessions/${session.id}/stop?wait=10s`);
    expect((await get(`/trace-sessions/${session.id}`)).body.targets).toMatchObject({ matched: 1, done: 1 });
  });

  it('begins on an agent that was offline when it is back', async () => {
    const agent = await fleet.agent({ test: 'back' });
    const identity = await fleet.enrol({ test: 'away' });
    const { body: session } = await fleet.session({ selector: 'test in (back,away)' }, '?wait=10s');
    expect(session.targets).toMatchObject({ matched: 2, running: 1, offline: 1 });
    const back = await fleet.connect(identity, { hello: { labels: { test: 'away' } } });
    const { sessions } = await back.desired.next();
    expect(sessions.map((one) => uuidText(one.sessionId))).toEqual([session.id]);
    expect(agent.running.size).toBe(1);
  });

  it('runs again on an agent that came back with a new process, and keeps its count', async () => {
    const identity = await fleet.enrol({ test: 'restart' });
    const hello = { labels: { test: 'restart' } };
    const first = await fleet.connect(identity, { hello });
    const { body: session } = await fleet.session({ selector: 'test=restart' }, '?wait=10s');
    first.report(session.id, SessionState.RUNNING, { recordCount: 5n });
    first.heartbeat();
    first.finishSending();
    await first.ended;
    const second = await fleet.connect(identity, { hello });
    expect((await second.desired.next()).sessions).toHaveLength(1);
    second.finish(session.id, { recordCount: 2n });
    const ended = await get(`/trace-sessions/${session.id}?wait=10s`);
    expect(ended.body.recordCounts).toEqual({ tcp_handshake: 7 });
  });

  it('begins and ends with the labels of an agent', async () => {
    const agent = await fleet.agent({ test: 'labels' });
    const { body: session } = await fleet.session({ selector: 'test=labels,canary' });
    await agent.desired.next();
    const patched = await application.call('PATCH', `/agents/${agent.agentId}`, {
      body: { labels: { canary: 'yes' } },
    });
    expect(patched.body.labels).toEqual({ test: 'labels', canary: 'yes' });
    await agent.desired.until((desired) => desired.sessions.length === 1);
    await application.call('PATCH', `/agents/${agent.agentId}`, { body: { labels: { canary: null } } });
    await agent.desired.until((desired) => desired.sessions.length === 0);
    const ended = await get(`/trace-sessions/${session.id}?wait=10s`);
    expect(ended.body.state).toBe('completed');
  });

  it('has failed when every agent failed, and says why', async () => {
    const agent = await fleet.agent({ test: 'fails' }, { obedient: false });
    const creation = fleet.session({ selector: 'test=fails' }, '?wait=10s');
    const { sessions } = await agent.desired.until((desired) => desired.sessions.length === 1);
    agent.report(uuidText(sessions[0]?.sessionId ?? new Uint8Array()), SessionState.FAILED, {
      error: 'no cgroup v2 is mounted',
    });
    const { body } = await creation;
    expect(body).toMatchObject({ state: 'failed', targets: { failed: 1 } });
    expect(body.message).toContain('no cgroup v2 is mounted');
    const targets = await get(`/trace-sessions/${body.id}/targets`);
    expect(targets.body.items[0]).toMatchObject({ state: 'failed', error: 'no cgroup v2 is mounted' });
  });

  it('only names the agents in a dry run', async () => {
    const agent = await fleet.agent({ test: 'dry' });
    const dry = await fleet.session({ selector: 'test=dry' }, '?dryRun=true');
    expect(dry.status).toBe(200);
    expect(dry.body).toMatchObject({
      dryRun: true,
      targets: { matched: 1, online: 1, offline: 0 },
      agents: [{ agentId: agent.agentId, status: 'online', labels: { test: 'dry' } }],
    });
    expect(agent.running.size).toBe(0);
  });

  it('is listed newest first, page by page, by state', async () => {
    const first = await fleet.session({ selector: 'test=nobody' });
    const second = await fleet.session({ selector: 'test=nobody' });
    await application.call('POST', `/trace-sessions/${first.body.id}/stop`);
    const page = await get('/trace-sessions?state=pending,stopped&limit=1');
    expect(page.body.items[0].id).toBe(second.body.id);
    const next = await get(`/trace-sessions?state=pending,stopped&limit=1&cursor=${page.body.nextCursor}`);
    expect(next.body.items[0]).toMatchObject({ id: first.body.id, state: 'stopped' });
  });
});

describe('a trace session is refused', () => {
  it.each([
    [{ probes: ['listener'], filter: { minLatencyMs: 1 } }, 'invalid_request', 'filter.minLatencyMs'],
    [{ probes: ['listener'], filter: { remotePorts: [443] } }, 'invalid_request', 'filter.remotePorts'],
    [{ probes: ['dns'], filter: { localPorts: [443] } }, 'invalid_request', 'filter.localPorts'],
    [{ probes: ['udp'] }, 'invalid_request', 'probes.0'],
    [{ probes: [] }, 'invalid_request', 'probes'],
    [{ name: 'a\u0000b' }, 'invalid_request', 'name'],
    [{ filter: { processNames: ['a\u0000b'] } }, 'invalid_request', 'filter.processNames.0'],
    [{ selector: 'env=prod role=web' }, 'invalid_request', 'selector'],
    [{ sampleRate: 0 }, 'invalid_request', 'sampleRate'],
    [{ durationSeconds: 86_401 }, 'invalid_request', 'durationSeconds'],
    [{ maxRecordsPerAgent: 0 }, 'invalid_request', 'maxRecordsPerAgent'],
    [{ colour: 'red' }, 'invalid_request', 'colour'],
    [{ filter: { port: 1 } }, 'invalid_request', 'filter.port'],
    [{ filter: { remotePorts: [0] } }, 'invalid_request', 'filter.remotePorts.0'],
    [{ filter: { remotePorts: [443, 443] } }, 'invalid_request', 'filter.remotePorts'],
    [{ filter: { remoteCidrs: ['10.0.0.0/33'] } }, 'invalid_request', 'filter.remoteCidrs.0'],
    [{ filter: { remoteCidrs: ['10.1.2.3/8'] } }, 'invalid_request', 'filter.remoteCidrs.0'],
    [{ filter: { processNames: ['a-name-of-sixteen'] } }, 'invalid_request', 'filter.processNames.0'],
  ])('for %j, with %s at %s', async (body, code, path) => {
    const refused = await fleet.session(body);
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({ code, errors: [{ path }] });
  });

  it('with a wait of more than a minute, or to a viewer', async () => {
    expect((await fleet.session({}, '?wait=61s')).status).toBe(400);
    const token = await application.tokenFor('viewer');
    const body = { probes: ['tcp_handshake'] };
    expect((await application.call('POST', '/trace-sessions', { body, token })).status).toBe(403);
  });

  it('when an agent has no slot left, with what to do about it', async () => {
    const agent = await fleet.agent({ test: 'slots' });
    const sessions = await Promise.all(
      Array.from({ length: 64 }, () => fleet.session({ selector: 'test=slots' })),
    );
    const refused = await fleet.session({ selector: 'test=slots' });
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ code: 'session_slots_taken' });
    await application.call('POST', `/trace-sessions/${sessions[0]?.body.id}/stop?wait=10s`);
    expect((await fleet.session({ selector: 'test=slots' }, '?wait=10s')).status).toBe(201);
    expect(agent.running.size).toBe(64);
  });
});

describe('canaries', () => {
  const agentIds = (body: { items?: { agentId: string }[]; agents?: { agentId: string }[] }) =>
    new Set((body.items ?? body.agents ?? []).map(({ agentId }) => agentId));
  const targetsOf = async (id: string) => agentIds((await get(`/trace-sessions/${id}/targets`)).body);

  it('are the same in a dry run, in the session and in the next one, and stay the only ones', async () => {
    for (let agent = 0; agent < 6; agent++) await fleet.enrol({ test: 'canary' });
    const request = { selector: 'test=canary', targets: { percent: 34 } };
    const dry = await fleet.session(request, '?dryRun=true');
    expect(dry.body).toMatchObject({
      spec: { targets: { percent: 34 } },
      targets: { matched: 3, online: 0, offline: 3 },
    });
    const { body: session } = await fleet.session(request);
    expect(await targetsOf(session.id)).toEqual(agentIds(dry.body));
    const { body: fewer } = await fleet.session({ ...request, targets: { count: 2 } });
    const chosen = await targetsOf(fewer.id);
    expect(chosen.size).toBe(2);
    const canaries = agentIds(dry.body);
    expect([...chosen].every((id) => canaries.has(id))).toBe(true);

    const late = await fleet.agent({ test: 'canary' });
    expect((await late.desired.next()).sessions).toEqual([]);
    expect((await get(`/trace-sessions/${session.id}`)).body.targets).toMatchObject({ matched: 3 });
  });

  it.each([
    [{ percent: 1 }, 1],
    [{ percent: 100 }, 3],
    [{ count: 50 }, 3],
    [null, 3],
  ])('of %j are %i of 3', async (targets, matched) => {
    const test = randomUUID();
    for (let agent = 0; agent < 3; agent++) await fleet.enrol({ test });
    const { body } = await fleet.session({ selector: `test=${test}`, targets }, '?dryRun=true');
    expect(body.targets.matched).toBe(matched);
  });

  it('do not need a slot on the agents that they leave out', async () => {
    for (let agent = 0; agent < 2; agent++) await fleet.enrol({ test: 'room' });
    const dry = await fleet.session({ selector: 'test=room', targets: { count: 1 } }, '?dryRun=true');
    const [chosen] = agentIds(dry.body);
    const left = (await get('/agents?selector=test=room')).body.items.find(
      (agent: { id: string }) => agent.id !== chosen,
    );
    await application.call('PATCH', `/agents/${left.id}`, { body: { labels: { full: 'yes' } } });
    await Promise.all(Array.from({ length: 64 }, () => fleet.session({ selector: 'full=yes,test=room' })));
    expect((await fleet.session({ selector: 'test=room' })).status).toBe(409);
    expect((await fleet.session({ selector: 'test=room', targets: { count: 1 } })).status).toBe(201);
  });

  it.each([
    [{ percent: 0 }],
    [{ percent: 101 }],
    [{ count: 0 }],
    [{ count: 1.5 }],
    [{ percent: 10, count: 3 }],
    [{}],
    ['10%'],
  ])('are refused as %j', async (targets) => {
    const refused = await fleet.session({ targets });
    expect(refused.status).toBe(400);
    expect(refused.body.errors[0].path).toMatch(/^targets/);
  });

  it('say that none comes later when the selector matched nobody', async () => {
    const { body } = await fleet.session({ selector: 'test=none-at-all', targets: { count: 1 } });
    expect(body.message).toContain('No agent matched the selector when the session was created');
  });
});

describe('the counts of targets', () => {
  it('add up, whatever agents have said and wherever they are', async () => {
    const database = new pg.Client({ connectionString: application.databaseUrl });
    await database.connect();
    try {
      const identities = await Promise.all(Array.from({ length: 8 }, () => fleet.enrol({ test: 'sum' })));
      const target = fc.record({
        observed: fc.constantFrom('pending', 'running', 'done', 'failed'),
        desired: fc.constantFrom('running', 'ended'),
        online: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(target, { maxLength: 8 }), async (rows) => {
          const { body } = await fleet.session({ selector: 'test=nobody-of-the-sum' });
          // One that has ended is left alone: nothing moves its targets while they are counted.
          await application.call('POST', `/trace-sessions/${body.id}/stop`);
          const expected = { matched: rows.length, pending: 0, running: 0, done: 0, failed: 0, offline: 0 };
          for (const [index, { observed, desired, online }] of rows.entries()) {
            const open = observed === 'pending' || observed === 'running';
            expected[open && !online ? 'offline' : observed]++;
            const { agentId } = identities[index] ?? expect.fail('enrolled');
            await database.query(
              'UPDATE agent SET last_seen_at = now(), link_id = CASE WHEN $2 THEN gen_random_uuid() END WHERE id = $1',
              [agentId, online],
            );
            await database.query(
              `INSERT INTO session_target (session_id, agent_id, desired, observed, ended_at)
               VALUES ($1, $2, $3, $4, CASE WHEN $5 THEN NULL ELSE now() END)`,
              [body.id, agentId, desired, observed, open],
            );
          }
          const { targets } = (await get(`/trace-sessions/${body.id}`)).body;
          expect(targets).toEqual(expected);
          const listed = (await get(`/trace-sessions/${body.id}/targets`)).body.items;
          const byState = Map.groupBy(listed as { state: string }[], ({ state }) => state);
          const { matched, ...states } = expected;
          for (const [state, count] of Object.entries(states)) {
            expect(byState.get(state)?.length ?? 0).toBe(count);
          }
          expect(listed).toHaveLength(matched);
        }),
        { numRuns: 20 },
      );
    } finally {
      await database.end();
    }
  });
});

it('refuses one session more than may be open, and takes it when another has ended', async () => {
  const limited = await startTestApplication({ SYNSCOPE_MAX_OPEN_SESSIONS: '2' });
  try {
    const start = () => testFleet(limited).session({ selector: 'test=nobody' });
    const statuses = await Promise.all([start(), start(), start(), start()]);
    expect(statuses.map(({ status }) => status).sort()).toEqual([201, 201, 429, 429]);
    const refused = statuses.find(({ status }) => status === 429);
    expect(refused?.body).toMatchObject({
      code: 'too_many_sessions',
      detail: expect.stringContaining('SYNSCOPE_MAX_OPEN_SESSIONS'),
    });
    const { id } = statuses.find(({ status }) => status === 201)?.body ?? {};
    await limited.call('POST', `/trace-sessions/${id}/stop`);
    expect((await start()).status).toBe(201);
  } finally {
    await limited.close();
  }
});
