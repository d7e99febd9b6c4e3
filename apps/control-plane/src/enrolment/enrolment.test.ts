import { status } from '@grpc/grpc-js';
import { createKey, enrolFakeAgent, fetchAuthority } from '@synscope/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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

const pinOf = (joinToken: string) => joinToken.split('.')[1] ?? '';

describe('enrolment', () => {
  it('gives a host an identity, with the labels of the join token over those of the host', async () => {
    const joinToken = await fleet.joinToken({ labels: { role: 'web' } });
    const identity = await enrolFakeAgent({
      address: fleet.address,
      joinToken,
      hostname: 'web-1',
      labels: { role: 'db', env: 'prod' },
    });
    const agent = await application.call('GET', `/agents/${identity.agentId}`);
    expect(agent.body).toMatchObject({
      hostname: 'web-1',
      status: 'offline',
      labels: { role: 'web', env: 'prod' },
    });
    const tokens = await application.call('GET', '/join-tokens?limit=1');
    expect(tokens.body.items[0]).toMatchObject({ uses: 1, maxUses: 1 });
    expect(tokens.text).not.toContain(joinToken.slice(5, 20));
  });

  it('gives the same identity to a host that kept its key, and a new one to another key', async () => {
    const former = await fleet.enrol();
    const joinToken = await fleet.joinToken({ maxUses: 2 });
    const again = await enrolFakeAgent({ address: fleet.address, joinToken, former });
    expect(again.agentId).toBe(former.agentId);
    const { signingRequest } = await createKey();
    const thief = await enrolFakeAgent({
      address: fleet.address,
      joinToken,
      former,
      request: { certificateSigningRequest: signingRequest },
    });
    expect(thief.agentId).not.toBe(former.agentId);
  });

  it('refuses a join token that is wrong, deleted, expired or used up, each with its reason', async () => {
    const good = await fleet.joinToken();
    const wrong = `synj_${'A'.repeat(43)}.${pinOf(good)}`;
    const deleted = await fleet.joinToken();
    const [newest] = (await application.call('GET', '/join-tokens?limit=1')).body.items;
    expect((await application.call('DELETE', `/join-tokens/${newest.id}`)).status).toBe(204);
    const expired = await fleet.joinToken({ name: 'expired' });
    await database.query(
      `UPDATE join_token SET expires_at = now() - interval '1 second' WHERE name = 'expired'`,
    );
    const usedUp = await fleet.joinToken();
    await enrolFakeAgent({ address: fleet.address, joinToken: usedUp });

    for (const [joinToken, reason] of [
      [wrong, 'not known'],
      [deleted, 'not known'],
      [`synj_short.${pinOf(good)}`, 'not known'],
      [expired, 'expired'],
      [usedUp, 'as often as it may'],
    ] as const) {
      await expect(enrolFakeAgent({ address: fleet.address, joinToken })).rejects.toMatchObject({
        code: status.UNAUTHENTICATED,
        details: expect.stringContaining(reason),
      });
    }
  });

  it('lets no two agents take the last use of a join token', async () => {
    const joinToken = await fleet.joinToken({ maxUses: 3 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => enrolFakeAgent({ address: fleet.address, joinToken })),
    );
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(3);
  });

  it('does not count a use for a request that it refuses', async () => {
    const joinToken = await fleet.joinToken();
    const attempt = (options: object) => enrolFakeAgent({ address: fleet.address, joinToken, ...options });
    await expect(
      attempt({ request: { certificateSigningRequest: Buffer.from('nonsense') } }),
    ).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('PKCS #10'),
    });
    await expect(attempt({ labels: { 'not a key': 'x' } })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('not a key'),
    });
    await expect(attempt({ hostname: 'x'.repeat(300) })).rejects.toMatchObject({
      details: expect.stringContaining('hostname'),
    });
    await attempt({});
  });

  it('refuses a host whose agent was revoked', async () => {
    const former = await fleet.enrol();
    await application.call('DELETE', `/agents/${former.agentId}`);
    const joinToken = await fleet.joinToken();
    await expect(enrolFakeAgent({ address: fleet.address, joinToken, former })).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
  });

  it('shows an agent the authority with the pin of its token, and no other', async () => {
    const joinToken = await fleet.joinToken();
    await expect(fetchAuthority(fleet.address, pinOf(joinToken))).resolves.toContain('BEGIN CERTIFICATE');
    await expect(fetchAuthority(fleet.address, 'A'.repeat(43))).rejects.toThrow('pin');
  });

  it('keeps its authority over a restart', async () => {
    const joinToken = await fleet.joinToken();
    const second = await startTestApplication({ DATABASE_URL: application.databaseUrl });
    try {
      await expect(fetchAuthority(second.grpcAddress ?? '', pinOf(joinToken))).resolves.toBeTruthy();
    } finally {
      await second.close();
    }
  });
});

// Last: it uses up the attempts of this address.
it('puts off an address that keeps guessing join tokens', async () => {
  const pin = pinOf(await fleet.joinToken());
  const guess = () => enrolFakeAgent({ address: fleet.address, joinToken: `synj_${'B'.repeat(43)}.${pin}` });
  const codes = (await Promise.allSettled(Array.from({ length: 25 }, guess))).map((outcome) =>
    outcome.status === 'rejected' ? outcome.reason.code : null,
  );
  expect(codes).toContain(status.UNAUTHENTICATED);
  await expect(guess()).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
});
