import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { createKey, enrolFakeAgent, FakeAgent, type FakeIdentity, identityFrom } from '@synscope/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../testing/eventually.js';
import { type TestFleet, testFleet } from '../testing/fleet.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let application: TestApplication;
let fleet: TestFleet;
let database: pg.Client;
beforeAll(async () => {
  application = await startTestApplication();
  fleet = testFleet(application);
  database = new pg.Client({ connectionString: application.databaseUrl });
  await database.connect();
});
afterEach(() => fleet.close());
afterAll(async () => {
  await database.end();
  await application.close();
});

/** Asks for a successor with this key on the agent's stream. */
async function successorOf(
  agent: FakeAgent,
  key: Awaited<ReturnType<typeof createKey>>,
): Promise<FakeIdentity> {
  agent.send({ case: 'certificateSigningRequest', value: key.signingRequest });
  return identityFrom(agent.agentId, key.privateKey, await agent.certificates.next());
}

/** How the stream ends that this identity opens. */
async function refusalOf(identity: FakeIdentity, hello: Parameters<FakeAgent['hello']>[0] = {}) {
  const agent = new FakeAgent({ address: fleet.address, identity });
  agent.hello(hello);
  return agent.ended;
}

const hostBootId = (byte: number) => new Uint8Array(16).fill(byte);

/** A process of this identity, heard: the database knows that it was alive. */
async function alive(
  identity: FakeIdentity,
  bootId: string,
  host = 1,
  protocolVersion = 3,
): Promise<FakeAgent> {
  const agent = await fleet.connect(identity, {
    bootId,
    hello: { hostname: `host-${host}`, hostBootId: hostBootId(host), protocolVersion },
  });
  agent.heartbeat();
  await eventually(
    () =>
      database.query('SELECT boot_alive AND boot_id = $2 AS heard FROM agent WHERE id = $1', [
        identity.agentId,
        bootId,
      ]),
    ({ rows }) => rows[0].heard,
  );
  return agent;
}

const row = async ({ agentId }: FakeIdentity) => (await application.call('GET', `/agents/${agentId}`)).body;
const copiesInAudit = async ({ agentId }: FakeIdentity) => {
  const { body } = await application.call(
    'GET',
    `/audit-events?action=agent.identity_copied&resourceId=${agentId}`,
  );
  return body.items;
};

describe('the renewal of an identity', () => {
  it('has two phases: both certificates are good until a stream was opened with the successor, then that one alone', async () => {
    const agent = await fleet.agent();
    const before = agent.identity ?? expect.fail('enrolled');
    const key = await createKey();
    await successorOf(agent, key);
    await agent.disconnect();
    // The agent died over the certificate, and asks for it again with the key that it had stored.
    const again = await fleet.connect(before, { bootId: randomUUID() });
    const successor = await successorOf(again, key);
    await again.disconnect();
    // It died after that had been stored, and opens a stream with it.
    await fleet.connect(successor, { bootId: randomUUID() });
    expect(await refusalOf(before)).toMatchObject({
      code: status.ALREADY_EXISTS,
      details: expect.stringContaining('the key of this identity was replaced'),
    });
    // Nothing of that disturbs the one that holds the new key.
    await fleet.connect(successor, { bootId: randomUUID() });
  });

  it('may be with the same key, as the first agents did it', async () => {
    const agent = await fleet.agent({}, { hello: { protocolVersion: 1 } });
    const before = agent.identity ?? expect.fail('enrolled');
    const renewed = await successorOf(agent, await createKey(before.privateKey));
    await fleet.connect(renewed, { hello: { protocolVersion: 1 } });
    await fleet.connect(before, { hello: { protocolVersion: 1 } });
  });

  it.each(['the old key', 'the new key'])(
    'lets a host enrol again as the same agent in its midst, with %s',
    async (held) => {
      const agent = await fleet.agent();
      const before = agent.identity ?? expect.fail('enrolled');
      const successor = await successorOf(agent, await createKey());
      const enrolled = await enrolFakeAgent({
        address: fleet.address,
        joinToken: await fleet.joinToken(),
        former: held === 'the new key' ? successor : before,
      });
      expect(enrolled.agentId).toBe(before.agentId);
      await fleet.connect(enrolled);
    },
  );
});

describe('a copy of an identity', () => {
  it('is never seen in agents that restart and reconnect, however often', async () => {
    const identity = await fleet.enrol();
    for (let start = 0; start < 3; start++) {
      const bootId = randomUUID();
      await alive(identity, bootId);
      // The stream breaks; the old one is still open when the next comes.
      await alive(identity, bootId);
      (await alive(identity, bootId)).finishSending();
    }
    // The host is restarted.
    await alive(identity, randomUUID(), 2);
    expect(await row(identity)).toMatchObject({ warnings: [] });
    expect(await copiesInAudit(identity)).toEqual([]);
  });

  it('is seen when two processes take turns, refused, shown, and shut out for good by a new key', async () => {
    const identity = await fleet.enrol();
    const [first, second] = [randomUUID(), randomUUID()];
    await alive(identity, first, 1);
    const copy = await alive(identity, second, 2);
    const back = await fleet.connect(identity, {
      bootId: first,
      hello: { hostname: 'host-1', hostBootId: hostBootId(1) },
    });
    expect(await copy.ended).toMatchObject({ code: status.ABORTED });
    back.heartbeat();
    expect(await back.heartbeatAnswers.next()).toMatchObject({ renewCertificate: true });
    expect(
      await refusalOf(identity, {
        bootId: Buffer.from(second.replaceAll('-', ''), 'hex'),
        hostname: 'host-2',
      }),
    ).toMatchObject({
      code: status.ALREADY_EXISTS,
      details: expect.stringContaining('another agent lives by this identity, on host-1'),
    });
    expect(await row(identity)).toMatchObject({
      hostname: 'host-1',
      status: 'online',
      warnings: [{ code: 'identity_copied', message: expect.stringContaining('host-2') }],
    });
    expect(await copiesInAudit(identity)).toMatchObject([
      { actor: { tokenId: null }, detail: { refused: 'host-2', keeper: 'host-1', sameHost: false } },
    ]);

    const renewed = await successorOf(back, await createKey());
    await fleet.connect(renewed, { bootId: first });
    // Started again, the copy is a process that nobody knows, but its key is an old one.
    expect(await refusalOf(identity, { hostname: 'host-2' })).toMatchObject({
      code: status.ALREADY_EXISTS,
      details: expect.stringContaining('the key of this identity was replaced'),
    });
    expect(await row(identity)).toMatchObject({ status: 'online' });
  });

  it('is refused itself when it comes back before the other one was heard', async () => {
    const identity = await fleet.enrol();
    const [first, second] = [randomUUID(), randomUUID()];
    await alive(identity, first, 1);
    await alive(identity, second, 2);
    await fleet.connect(identity, { bootId: first });
    const copy = await fleet.connect(identity, { bootId: second });
    copy.heartbeat();
    expect(await copy.ended).toMatchObject({ code: status.ALREADY_EXISTS });
    const keeper = await fleet.connect(identity, { bootId: first });
    keeper.heartbeat();
    expect(await keeper.heartbeatAnswers.next()).toMatchObject({ renewCertificate: false });
    expect(await copiesInAudit(identity)).toHaveLength(1);
  });

  it.each([
    [
      'on the same host is told of its data directory',
      1,
      3,
      status.FAILED_PRECONDITION,
      'data directory of its own',
    ],
    [
      'in an agent of protocol 2 is told so by what that one ends over',
      2,
      2,
      status.PERMISSION_DENIED,
      'has a copy',
    ],
  ])('%s', async (_, host, protocolVersion, code, details) => {
    const identity = await fleet.enrol();
    const [first, second] = [randomUUID(), randomUUID()];
    await alive(identity, first, 1, protocolVersion);
    await alive(identity, second, host, protocolVersion);
    await alive(identity, first, 1, protocolVersion);
    const bootId = Buffer.from(second.replaceAll('-', ''), 'hex');
    const ended = await eventually(
      () => refusalOf(identity, { bootId, hostBootId: hostBootId(host), protocolVersion }),
      (end) => end.code !== status.ABORTED,
    );
    expect(ended).toMatchObject({ code, details: expect.stringContaining(details) });
  });
});
