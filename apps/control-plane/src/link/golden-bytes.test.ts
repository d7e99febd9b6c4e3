import { readFileSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { ConnectResponseSchema, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION } from '@synscope/protocol';
import { FakeAgent } from '@synscope/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../testing/eventually.js';
import { type TestFleet, testFleet } from '../testing/fleet.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

/** The messages of one version as its agents send and read them, by their name in proto/; hexadecimal. Once released they never change. */
interface Golden {
  readonly ConnectRequest: Readonly<Record<string, string>>;
  readonly ConnectResponse: Readonly<Record<string, string>>;
}

const goldenOf = (version: number): Golden =>
  JSON.parse(
    readFileSync(new URL(`../../../../proto/golden/version-${version}.json`, import.meta.url), 'utf8'),
  );
const SERVED = Array.from(
  { length: PROTOCOL_VERSION - OLDEST_PROTOCOL_VERSION + 1 },
  (_, index) => OLDEST_PROTOCOL_VERSION + index,
);
const AT_US = BigInt(Date.UTC(2026, 10, 27, 8)) * 1_000n;

let application: TestApplication;
let fleet: TestFleet;
beforeAll(async () => {
  application = await startTestApplication();
  fleet = testFleet(application);
});
afterEach(() => fleet.close());
afterAll(() => application.close());

it('serves its own version and the two before it', () => {
  expect(SERVED.at(-1)).toBe(PROTOCOL_VERSION);
  expect(OLDEST_PROTOCOL_VERSION).toBe(Math.max(1, PROTOCOL_VERSION - 2));
});

describe.each(SERVED)('the bytes of version %i', (version) => {
  const { ConnectRequest, ConnectResponse } = goldenOf(version);

  it('of an agent are served', async () => {
    const agent = new FakeAgent({ address: fleet.address, identity: await fleet.enrol() });
    const send = (name: string) => agent.sendBytes(Buffer.from(ConnectRequest[name] ?? '', 'hex'));
    send('hello');
    expect(await agent.welcomes.next()).toMatchObject({ maxUnackedBatches: 8 });
    await agent.desired.next();
    send('heartbeat');
    if (version >= 2) {
      expect(await agent.heartbeatAnswers.next()).toMatchObject({ sentAtUs: AT_US, renewCertificate: false });
    }
    send('session_status');
    send('batch');
    expect(await agent.acks.next()).toBe(1n);
    expect(agent.heartbeatAnswers.size).toBe(0);
    send('certificate_signing_request');
    expect((await agent.certificates.next()).leaf.length).toBeGreaterThan(0);
    const { body } = await eventually(
      () => application.call('GET', `/agents/${agent.agentId}`),
      (answer) => answer.body.cost !== null,
    );
    expect(body).toMatchObject({
      hostname: `golden-${version}`,
      agentVersion: `0.${version}.0`,
      labels: { env: 'prod' },
      capabilities: [
        { name: 'tcp_handshake.client', available: true },
        { name: 'dns.client', available: false, detail: 'no cgroup v2' },
      ],
      cost: { agentResidentBytes: 60_000_000, bpfRunCount: 3, bpfSampledNs: null },
      loss: { records: 4 },
      ...(version >= 2 && { clockOffsetUs: -1_250, clockOffsetUncertaintyUs: 180 }),
      warnings: [],
    });
    await agent.disconnect();
  });

  it('of a control plane still mean the same', () => {
    const read = (name: string) =>
      fromBinary(ConnectResponseSchema, Buffer.from(ConnectResponse[name] ?? '', 'hex')).message;
    expect(read('welcome')).toMatchObject({
      case: 'welcome',
      value: { heartbeatIntervalMs: 10_000, leaseMs: 30_000, maxUnackedBatches: 8, serverTimeUs: AT_US },
    });
    expect(read('desired_sessions')).toMatchObject({
      case: 'desiredSessions',
      value: {
        revision: 7n,
        sessions: [
          {
            probes: [1, 2],
            filter: { roles: [1], minLatencyUs: 1_000n, remotePorts: [443] },
            sampleRate: 0.5,
            endsAtUs: AT_US,
            maxRecords: 1_000n,
          },
        ],
      },
    });
    expect(read('ack')).toMatchObject({ case: 'ack', value: { seq: 1n } });
    expect(read('certificate')).toMatchObject({ case: 'certificate', value: { notAfterUs: AT_US } });
    if (version < 2) return;
    expect(read('heartbeat_answer')).toMatchObject({
      case: 'heartbeatAnswer',
      value: {
        sentAtUs: AT_US,
        receivedAtUs: AT_US + 1_000n,
        answeredAtUs: AT_US + 1_020n,
        uncertaintyUs: 90n,
        renewCertificate: version >= 3,
      },
    });
  });
});

it.each([
  [OLDEST_PROTOCOL_VERSION - 1, 'install a newer agent on this host'],
  [PROTOCOL_VERSION + 1, 'update the control plane, or install an older agent on this host'],
])('refuses version %i with what to update', async (protocolVersion, advice) => {
  const agent = new FakeAgent({ address: fleet.address, identity: await fleet.enrol() });
  agent.hello({ protocolVersion, agentVersion: '9.9.9' });
  expect(await agent.ended).toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: `hello.protocol_version is ${protocolVersion} (agent 9.9.9); this control plane speaks ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}: ${advice}`,
  });
});
