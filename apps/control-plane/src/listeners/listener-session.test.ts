import { Probe, SessionState } from '@synscope/protocol';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
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

it('a session that traces listeners reaches the agent with the ports and processes to look at', async () => {
  const agent = await fleet.agent({ test: 'filter' });
  const filter = { localPorts: [443, 8_080], processNames: ['nginx'] };
  const { status, body } = await fleet.session(
    { selector: 'test=filter', probes: ['listener'], filter },
    '?wait=10s',
  );
  expect(status).toBe(201);
  expect(body.recordCounts).toEqual({ listener: 0 });
  expect(agent.running.get(body.id)).toMatchObject({
    probes: [Probe.LISTENER],
    filter: { localPorts: [443, 8_080], processNames: ['nginx'] },
  });
});

it('an agent that has no such probe is a failed target with its reason, and the others run', async () => {
  const able = await fleet.agent({ test: 'able' });
  const old = await fleet.agent({ test: 'able' }, { obedient: false });
  const creating = fleet.session({ selector: 'test=able', probes: ['listener'] }, '?wait=30s');
  const { sessions } = await old.desired.until((desired) => desired.sessions.length === 1);
  const [sessionId = ''] = await able.desired
    .until((desired) => desired.sessions.length === 1)
    .then(() => [...able.running.keys()]);
  expect(sessions[0]?.probes).toEqual([Probe.LISTENER]);
  const error = 'this agent has no probe listener; it has tcp_handshake, dns, name_lookup';
  old.report(sessionId, SessionState.FAILED, { error });
  const { body } = await creating;
  expect(body).toMatchObject({ state: 'running', targets: { matched: 2, running: 1, failed: 1 } });
  const { body: targets } = await application.call(
    'GET',
    `/trace-sessions/${sessionId}/targets?state=failed`,
  );
  expect(targets.items).toMatchObject([{ agentId: old.agentId, state: 'failed', error }]);
});
