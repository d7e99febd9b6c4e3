import { enrolFakeAgent, FakeAgent } from '@synscope/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type TestFleet, testFleet } from '../testing/fleet.js';
import { batchOf } from '../testing/handshake-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let application: TestApplication;
let fleet: TestFleet;
beforeAll(async () => {
  application = await startTestApplication();
  fleet = testFleet(application);
});
afterEach(() => fleet.close());
afterAll(() => application.close());

const list = async (query: string) => (await application.call('GET', `/agents?${query}`)).body;
const ids = (body: { items: { id: string }[] }) => body.items.map((agent) => agent.id);

describe('agents', () => {
  it('are listed newest first, by selector and status, page by page', async () => {
    const offline = await fleet.enrol({ test: 'list', role: 'web' });
    const online = await fleet.agent({ test: 'list', role: 'api' });
    expect(ids(await list('selector=test=list'))).toEqual([online.agentId, offline.agentId]);
    expect(ids(await list('selector=test=list,role%20in%20(web)'))).toEqual([offline.agentId]);
    expect(ids(await list('selector=test=list&status=online'))).toEqual([online.agentId]);
    expect(ids(await list('selector=test=list&status=offline'))).toEqual([offline.agentId]);
    const page = await list('selector=test=list&limit=1');
    expect(ids(await list(`selector=test=list&limit=1&cursor=${page.nextCursor}`))).toEqual([
      offline.agentId,
    ]);
  });

  it('are listed without the revoked ones, unless asked for', async () => {
    const { agentId } = await fleet.enrol({ test: 'gone' });
    await application.call('DELETE', `/agents/${agentId}`);
    expect(ids(await list('selector=test=gone'))).toEqual([]);
    const revoked = await list('selector=test=gone&includeRevoked=true');
    expect(revoked.items).toMatchObject([{ id: agentId, status: 'offline', revokedAt: expect.any(String) }]);
    expect((await application.call('DELETE', `/agents/${agentId}`)).status).toBe(404);
    const patch = await application.call('PATCH', `/agents/${agentId}`, { body: { labels: { a: 'b' } } });
    expect(patch.status).toBe(404);
  });

  it('show the loss that they reported, by cause', async () => {
    const agent = await fleet.agent();
    const fromUs = Date.now() * 1_000 - 1_000_000;
    const loss = (cause: number, records: number) => ({ cause, records, fromUs, untilUs: fromUs + 1_000 });
    agent.batch(batchOf(1, [], [loss(1, 5), loss(5, 2)]));
    agent.batch(batchOf(2, [], [loss(1, 10)]));
    await agent.acks.next();
    await agent.acks.next();
    const { body } = await application.call('GET', `/agents/${agent.agentId}`);
    expect(body.loss).toMatchObject({
      records: 17,
      intervals: [
        { agentId: agent.agentId, cause: 'ring_full', records: 15 },
        { agentId: agent.agentId, cause: 'agent_buffer_full', records: 2 },
      ],
    });
  });

  it('keep assigned labels over what they say of themselves', async () => {
    const identity = await fleet.enrol({ env: 'test' });
    await application.call('PATCH', `/agents/${identity.agentId}`, {
      body: { labels: { env: 'prod', zone: null } },
    });
    await FakeAgent.connect({
      address: fleet.address,
      identity,
      hello: { labels: { env: 'dev', zone: 'a', rack: '7' } },
    }).then((agent) => agent.disconnect());
    const { body } = await application.call('GET', `/agents/${identity.agentId}`);
    expect(body.labels).toEqual({ env: 'prod', rack: '7' });
  });

  it('have the labels of PATCH over those of the join token over their own', async () => {
    const joinToken = await fleet.joinToken({ labels: { a: 'token', b: 'token' } });
    const identity = await enrolFakeAgent({
      address: fleet.address,
      joinToken,
      labels: { a: 'own', b: 'own', c: 'own' },
    });
    const labels = async () => (await application.call('GET', `/agents/${identity.agentId}`)).body.labels;
    expect(await labels()).toEqual({ a: 'token', b: 'token', c: 'own' });
    await application.call('PATCH', `/agents/${identity.agentId}`, { body: { labels: { a: 'patch' } } });
    await fleet.connect(identity, { hello: { labels: { a: 'later', b: 'later', c: 'later' } } });
    expect(await labels()).toEqual({ a: 'patch', b: 'token', c: 'later' });
  });

  it.each([
    ['PATCH', '/agents/ID', { labels: { 'synscope.io/role': 'x' } }, 400],
    ['POST', '/join-tokens', { name: 'x', labels: { 'synscope.io/role': 'x' } }, 400],
    ['PATCH', '/agents/ID', { labels: { 'not a key': 'x' } }, 400],
    ['PATCH', '/agents/ID', { labels: { env: 'not a value' } }, 400],
    ['PATCH', '/agents/ID', { hostname: 'x' }, 400],
    ['GET', '/agents?selector=env%3D', undefined, 200],
    ['GET', '/agents?selector=(', undefined, 400],
    ['GET', '/agents?status=asleep', undefined, 400],
    ['GET', '/agents/01890a5d-ac96-774b-bcce-b302099a8057', undefined, 404],
  ])('answer %s %s %j with %i', async (method, path, body, expected) => {
    const { agentId } = await fleet.enrol();
    const response = await application.call(method, path.replace('ID', agentId), body && { body });
    expect(response.status).toBe(expected);
  });

  it('are changed by administrators only', async () => {
    const { agentId } = await fleet.enrol();
    const token = await application.tokenFor('operator');
    expect((await application.call('DELETE', `/agents/${agentId}`, { token })).status).toBe(403);
    expect((await application.call('GET', `/agents/${agentId}`, { token })).status).toBe(200);
    expect((await application.call('GET', '/join-tokens', { token })).status).toBe(403);
  });
});
