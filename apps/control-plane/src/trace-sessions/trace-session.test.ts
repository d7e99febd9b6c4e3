import { SessionState } from '@synscope/protocol';
import { uuidText } from '@synscope/testing';
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
