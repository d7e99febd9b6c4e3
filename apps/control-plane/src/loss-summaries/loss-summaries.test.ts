import { LossCause, Probe } from '@synscope/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestFleet, testFleet } from '../testing/fleet.js';
import { recordBatch } from '../testing/record-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let application: TestApplication;
let fleet: TestFleet;
beforeAll(async () => {
  application = await startTestApplication();
  fleet = testFleet(application);
});
afterAll(async () => {
  await fleet.close();
  await application.close();
});

it('tell whose records an agent lost, and a session only of the loss of its probes', async () => {
  const agent = await fleet.agent({ role: 'resolver' });
  const { body: dns } = await fleet.session({ selector: 'role=resolver', probes: ['dns'] }, '?wait=10s');
  const { body: both } = await fleet.session(
    { selector: 'role=resolver', probes: ['tcp_handshake', 'name_lookup'] },
    '?wait=10s',
  );
  const untilUs = Date.now() * 1_000;
  const lost = (cause: LossCause, probe: Probe, records: number) => ({
    cause,
    probe,
    records,
    fromUs: untilUs - 1_000_000,
    untilUs,
  });
  const loss = [
    lost(LossCause.RING_FULL, Probe.TCP_HANDSHAKE, 1),
    lost(LossCause.RING_FULL, Probe.DNS, 20),
    lost(LossCause.TCP_STREAM, Probe.DNS, 300),
    lost(LossCause.RING_FULL, Probe.NAME_LOOKUP, 4_000),
    lost(LossCause.AGENT_BUFFER_FULL, Probe.LISTENER, 50_000),
  ];
  agent.batch(recordBatch(1, { loss }));
  // A batch that never comes could have held anything.
  agent.batch(recordBatch(3, {}));
  expect([await agent.acks.next(), await agent.acks.next()]).toEqual([1n, 3n]);

  const lossOf = async (path: string) => {
    const { body } = await application.call('GET', path);
    return body.loss.intervals.map(({ cause, probe, records }: Record<string, unknown>) => [
      cause,
      probe,
      records,
    ]);
  };
  const gap = ['sequence_gap', null, null];
  expect(await lossOf(`/agents/${agent.agentId}`)).toEqual([
    ['agent_buffer_full', 'listener', 50_000],
    ['ring_full', 'name_lookup', 4_000],
    ['tcp_stream', 'dns', 300],
    ['ring_full', 'dns', 20],
    ['ring_full', 'tcp_handshake', 1],
    gap,
  ]);
  expect(await lossOf(`/trace-sessions/${dns.id}`)).toEqual([
    ['tcp_stream', 'dns', 300],
    ['ring_full', 'dns', 20],
    gap,
  ]);
  expect(await lossOf(`/trace-sessions/${both.id}`)).toEqual([
    ['ring_full', 'name_lookup', 4_000],
    ['ring_full', 'tcp_handshake', 1],
    gap,
  ]);
});
