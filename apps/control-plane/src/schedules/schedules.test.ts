import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type TestFleet, testFleet } from '../testing/fleet.js';
import {
  startTestApplication,
  type TestApplication,
  type TestResponse,
} from '../testing/test-application.js';

let application: TestApplication;
let fleet: TestFleet;
beforeAll(async () => {
  application = await startTestApplication();
  fleet = testFleet(application);
});
afterEach(() => fleet.close());
afterAll(() => application.close());

let names = 0;
const call: TestApplication['call'] = (...request) => application.call(...request);
const create = (body: Readonly<Record<string, unknown>> = {}, headers = {}): Promise<TestResponse> =>
  call('POST', '/schedules', {
    body: {
      name: `schedule ${names++}`,
      ...('cron' in body ? {} : { everySeconds: 3_600 }),
      session: { probes: ['tcp_handshake'], selector: 'test=nobody' },
      ...body,
    },
    headers,
  });

describe('a schedule', () => {
  it('is answered with its defaults and its next due times', async () => {
    const { status, body } = await create({ name: 'nightly', cron: '0 3 * * *', timezone: 'Asia/Tokyo' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      name: 'nightly',
      cron: '0 3 * * *',
      everySeconds: null,
      timezone: 'Asia/Tokyo',
      jitterSeconds: 0,
      overlap: 'skip',
      catchUpSeconds: 60,
      paused: false,
      session: { name: null, probes: ['tcp_handshake'], durationSeconds: 600 },
    });
    expect(body.nextRuns).toHaveLength(5);
    for (const due of body.nextRuns) expect(due).toMatch(/T18:00:00\.000000Z$/);
    expect((await call('GET', `/schedules/${body.id}`)).body).toEqual(body);
    const listed = await call('GET', '/schedules?name=nightly');
    expect(listed.body.items).toEqual([body]);
  });

  it('of an interval is due so long after it was made, and again after its timing was changed', async () => {
    const { body } = await create({ everySeconds: 900 });
    const [first, second] = body.nextRuns.map(Date.parse);
    expect(second - first).toBe(900_000);
    expect(first).toBeGreaterThan(Date.parse(body.createdAt) + 898_000);
    expect(first).toBeLessThanOrEqual(Date.parse(body.createdAt) + 900_000);
    const renamed = await call('PATCH', `/schedules/${body.id}`, {
      body: { jitterSeconds: 5, timezone: 'Asia/Tokyo' },
    });
    expect(renamed.body.nextRuns).toEqual(body.nextRuns);
    const changed = await call('PATCH', `/schedules/${body.id}`, {
      body: { cron: '0 0 1 1 *', timezone: 'UTC' },
    });
    expect(changed.body).toMatchObject({ cron: '0 0 1 1 *', everySeconds: null });
    expect(changed.body.nextRuns[0]).toMatch(/-01-01T00:00:00/);
  });

  it('is created once for one Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'once' };
    const first = await create({ name: 'idempotent' }, headers);
    const second = await create({ name: 'idempotent' }, headers);
    expect(second.body).toEqual(first.body);
  });

  it('is paused and resumed, and leaves traces of who changed what', async () => {
    const { body } = await create({ everySeconds: 60 });
    const paused = await call('PATCH', `/schedules/${body.id}`, { body: { paused: true } });
    expect(paused.body.paused).toBe(true);
    expect(paused.body.nextRuns).toHaveLength(5);
    const resumed = await call('PATCH', `/schedules/${body.id}`, { body: { paused: false } });
    expect(resumed.body).toMatchObject({ paused: false, nextRuns: body.nextRuns });
    // Changes nothing, and leaves no trace.
    await call('PATCH', `/schedules/${body.id}`, { body: { paused: false } });
    const { status } = await call('DELETE', `/schedules/${body.id}`);
    expect(status).toBe(204);
    expect((await call('GET', `/schedules/${body.id}`)).status).toBe(404);
    const events = await call('GET', `/audit-events?resourceId=${body.id}`);
    expect(events.body.items).toMatchObject([
      { action: 'schedule.delete', before: { name: body.name }, after: null },
      { action: 'schedule.update', before: { paused: true }, after: { paused: false } },
      { action: 'schedule.update', before: { paused: false }, after: { paused: true } },
      { action: 'schedule.create', before: null, after: { everySeconds: 60 } },
    ]);
  });

  it('is read by viewers and changed by operators', async () => {
    const { body } = await create();
    const [viewer, operator] = [await application.tokenFor('viewer'), await application.tokenFor('operator')];
    const path = `/schedules/${body.id}`;
    expect((await call('GET', path, { token: viewer })).status).toBe(200);
    expect((await call('GET', `${path}/runs`, { token: viewer })).status).toBe(200);
    const patch = { body: { jitterSeconds: 1 } };
    expect((await call('PATCH', path, { ...patch, token: viewer })).status).toBe(403);
    expect((await call('POST', `${path}/trigger`, { token: viewer })).status).toBe(403);
    expect((await call('DELETE', path, { token: viewer })).status).toBe(403);
    expect((await call('PATCH', path, { ...patch, token: operator })).status).toBe(200);
  });

  it('is listed newest first, page by page', async () => {
    const [first, second] = [await create(), await create()];
    const page = await call('GET', '/schedules?limit=1');
    expect(page.body.items[0].id).toBe(second.body.id);
    const next = await call('GET', `/schedules?limit=1&cursor=${page.body.nextCursor}`);
    expect(next.body.items[0].id).toBe(first.body.id);
  });
});

describe('a schedule is refused', () => {
  const session = { probes: ['tcp_handshake'] };
  it.each([
    [{ cron: '0 0 30 2 *' }, 'cron', /never due.*30th of February/],
    [{ cron: '0 0 31 4,6,9,11 *' }, 'cron', /never due/],
    [{ cron: '* * * * * *' }, 'cron', /after 1 s already, and 10 s is the shortest/],
    [{ cron: '*/5 * * * * *' }, 'cron', /after 5 s/],
    [{ cron: '2,55 59,0 * * * *' }, 'cron', /after 7 s/],
    [{ cron: '60 * * * *' }, 'cron', /minute: 60/],
    [{ cron: '*/0 * * * *' }, 'cron', /cannot be read/],
    [{ cron: 'every day' }, 'cron', /five fields/],
    [{ cron: '' }, 'cron', /five fields/],
    [{ cron: '0 0 1 1 * 2030 7' }, 'cron', /five fields/],
    [{ cron: '2030-01-01T00:00:00' }, 'cron', /five fields/],
    [{ cron: '@reboot' }, 'cron', /@reboot/],
    [{ cron: '0 3 * * *', everySeconds: 60 }, 'cron', /either cron or everySeconds/],
    [{ everySeconds: undefined }, 'cron', /either cron or everySeconds/],
    [{ everySeconds: 1 }, 'everySeconds', /10 seconds or more/],
    [{ everySeconds: 60.5 }, 'everySeconds', /int/],
    [{ timezone: 'Europe/Atlantis' }, 'timezone', /IANA/],
    [{ timezone: '+02:00' }, 'timezone', /IANA/],
    [{ timezone: '' }, 'timezone', /IANA/],
    [{ everySeconds: 60, jitterSeconds: 61 }, 'jitterSeconds', /60 at most/],
    [{ cron: '0,10 * * * *', jitterSeconds: 601 }, 'jitterSeconds', /600 at most/],
    [{ jitterSeconds: -1 }, 'jitterSeconds', /0/],
    [{ catchUpSeconds: 604_801 }, 'catchUpSeconds', /604800/],
    [{ overlap: 'queue' }, 'overlap', /skip, allow, replace/],
    [{ colour: 'red' }, 'colour', /unknown field/],
    [{ name: ' ' }, 'name', /a name is needed/],
    [{ session: undefined }, 'session', /is needed/],
    [{ session: { probes: [] } }, 'session.probes', /at least one/],
    [{ session: { ...session, durationSeconds: 0 } }, 'session.durationSeconds', /1/],
    [{ session: { ...session, durationSeconds: 86_401 } }, 'session.durationSeconds', /86400/],
    [{ session: { ...session, colour: 'red' } }, 'session.colour', /unknown field/],
    [{ session: { ...session, selector: 'env=prod role=web' } }, 'session.selector', /./],
    [
      { session: { ...session, filter: { remoteCidrs: ['10.1.2.3/8'] } } },
      'session.filter.remoteCidrs.0',
      /bits/,
    ],
    [
      { session: { ...session, filter: { queryNames: ['example.com'] } } },
      'session.filter.queryNames',
      /dns/,
    ],
  ])('for %j, at %s', async (body, path, message) => {
    const refused = await create(body);
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({ code: 'invalid_request', errors: [{ path }] });
    expect(refused.body.errors[0].message).toMatch(message);
  });

  it('for a session whose filter acts on none of its probes', async () => {
    const refused = await create({ session: { probes: ['listener'], filter: { remotePorts: [443] } } });
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({
      code: 'invalid_request',
      errors: [{ path: 'session.filter.remotePorts' }],
    });
  });

  it('for a name that another one has, also when it is changed to it', async () => {
    await create({ name: 'taken' });
    const refused = await create({ name: 'taken' });
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ code: 'schedule_name_taken', errors: [{ path: 'name' }] });
    const other = await create();
    const renamed = await call('PATCH', `/schedules/${other.body.id}`, { body: { name: 'taken' } });
    expect(renamed.body.code).toBe('schedule_name_taken');
  });

  it.each([
    [{}, /name a field/],
    [{ cron: '0 3 * * *', everySeconds: 60 }, /either/],
    [{ everySeconds: 10 }, /jitterSeconds: .*10 at most/],
    [{ cron: '0 0 30 2 *' }, /never due/],
    [{ colour: 'red' }, /unknown field/],
  ])('when it is changed by %j', async (body, detail) => {
    const created = await create({ everySeconds: 60, jitterSeconds: 60 });
    const refused = await call('PATCH', `/schedules/${created.body.id}`, { body });
    expect(refused.status).toBe(400);
    expect(refused.body.detail).toMatch(detail);
    expect((await call('GET', `/schedules/${created.body.id}`)).body).toEqual(created.body);
  });

  it('when there is none', async () => {
    const path = '/schedules/01890a5d-ac96-774b-bcce-b302099a8057';
    expect((await call('GET', path)).status).toBe(404);
    expect((await call('PATCH', path, { body: { paused: true } })).status).toBe(404);
    expect((await call('DELETE', path)).status).toBe(404);
    expect((await call('POST', `${path}/trigger`)).status).toBe(404);
    expect((await call('GET', `${path}/runs`)).status).toBe(404);
  });
});

describe('a run by hand', () => {
  it('starts the session on the agents, tells who asked, and shows how the session stands', async () => {
    const agent = await fleet.agent({ test: 'trigger' });
    const { body: schedule } = await create({
      name: 'by hand',
      paused: true,
      session: { name: 'slow checkout', probes: ['tcp_handshake'], selector: 'test=trigger' },
    });
    const token = await application.tokenFor('operator');
    const { status, body: run } = await call('POST', `/schedules/${schedule.id}/trigger`, { token });
    expect(status).toBe(201);
    expect(run).toMatchObject({
      scheduleId: schedule.id,
      trigger: 'manual',
      triggeredBy: { name: 'test operator' },
      outcome: 'started',
      error: null,
      session: { state: 'pending', targets: { matched: 1 } },
    });
    await agent.desired.until((desired) => desired.sessions.length === 1);
    const { body: session } = await call('GET', `/trace-sessions/${run.sessionId}`);
    expect(session.name).toMatch(/^slow checkout \(by hand \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\)$/);
    await call('POST', `/trace-sessions/${run.sessionId}/stop?wait=10s`);
    const runs = await call('GET', `/schedules/${schedule.id}/runs`);
    expect(runs.body.items).toMatchObject([
      { id: run.id, sessionId: run.sessionId, session: { state: 'stopped', targets: { done: 1 } } },
    ]);
    const [event] = (await call('GET', `/audit-events?resourceId=${schedule.id}`)).body.items;
    expect(event).toMatchObject({ action: 'schedule.trigger', actor: { name: 'test operator' } });
    // It is still paused.
    expect((await call('GET', `/schedules/${schedule.id}`)).body.paused).toBe(true);
  });

  const trigger = async (id: string) => (await call('POST', `/schedules/${id}/trigger`)).body;
  const stateOf = async (id: string) => (await call('GET', `/trace-sessions/${id}`)).body.state;

  it('is skipped while the session of an earlier one is open, and runs after its end', async () => {
    const { body: schedule } = await create({ overlap: 'skip' });
    const first = await trigger(schedule.id);
    const second = await trigger(schedule.id);
    expect(second).toMatchObject({ outcome: 'skipped', sessionId: null, session: null });
    expect(second.error).toContain(first.sessionId);
    await call('POST', `/trace-sessions/${first.sessionId}/stop`);
    expect(await trigger(schedule.id)).toMatchObject({ outcome: 'started' });
    const runs = await call('GET', `/schedules/${schedule.id}/runs?outcome=skipped,failed`);
    expect(runs.body.items).toMatchObject([{ id: second.id }]);
  });

  it('is not kept back by a session whose time is just over, such as one as long as the period', async () => {
    const session = { probes: ['tcp_handshake'], selector: 'test=nobody', durationSeconds: 1 };
    for (const overlap of ['skip', 'replace']) {
      const { body: schedule } = await create({ overlap, session });
      const first = await trigger(schedule.id);
      expect(await trigger(schedule.id)).toMatchObject({ outcome: 'started' });
      const { body } = await call('GET', `/trace-sessions/${first.sessionId}?wait=10s`);
      expect(body.state).toBe('completed');
    }
  });

  it('runs beside the earlier one if that is allowed', async () => {
    const { body: schedule } = await create({ overlap: 'allow' });
    const first = await trigger(schedule.id);
    const second = await trigger(schedule.id);
    expect(await stateOf(first.sessionId)).toBe('pending');
    expect(await stateOf(second.sessionId)).toBe('pending');
  });

  it('replaces the earlier one, also one that is just ending', async () => {
    const agent = await fleet.agent({ test: 'replace' }, { obedient: false });
    const { body: schedule } = await create({
      overlap: 'replace',
      session: { probes: ['tcp_handshake'], selector: 'test=replace' },
    });
    const first = await trigger(schedule.id);
    const second = await trigger(schedule.id);
    expect(await stateOf(first.sessionId)).toBe('stopped');
    await agent.desired.until((desired) => desired.sessions.length === 1);
    // Both at once: whoever comes first, nothing fails and one session is open.
    const [third, stopped] = await Promise.all([
      trigger(schedule.id),
      call('POST', `/trace-sessions/${second.sessionId}/stop`),
    ]);
    expect(stopped.status).toBe(200);
    expect(third).toMatchObject({ outcome: 'started' });
    const open = await call('GET', '/trace-sessions?state=pending,running');
    const ids = open.body.items.map(({ id }: { id: string }) => id);
    expect(ids).toContain(third.sessionId);
    expect(ids).not.toContain(second.sessionId);
  });

  it('fails with the reason when the agents run as many sessions as they can, and leaves what it was to replace', async () => {
    await fleet.agent({ test: 'full' });
    const { body: schedule } = await create({ overlap: 'replace' });
    const first = await trigger(schedule.id);
    await Promise.all(Array.from({ length: 64 }, () => fleet.session({ selector: 'test=full' })));
    await call('PATCH', `/schedules/${schedule.id}`, {
      body: { session: { probes: ['tcp_handshake'], selector: 'test=full' } },
    });
    const failed = await trigger(schedule.id);
    expect(failed).toMatchObject({ outcome: 'failed', sessionId: null });
    expect(failed.error).toMatch(/at most 64 sessions.*Stop a session/);
    expect(await stateOf(first.sessionId)).toBe('pending');
  });

  it('asked for many times at once is run as often', async () => {
    const { body: schedule } = await create({ overlap: 'replace' });
    const runs = await Promise.all(Array.from({ length: 8 }, () => trigger(schedule.id)));
    expect(runs.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 8 }, () => 'started'));
    expect(new Set(runs.map(({ dueAt }) => dueAt)).size).toBe(8);
    const states = await Promise.all(runs.map(({ sessionId }) => stateOf(sessionId)));
    expect(states.filter((state) => state === 'pending')).toHaveLength(1);
    const page = await call('GET', `/schedules/${schedule.id}/runs?limit=3`);
    const rest = await call('GET', `/schedules/${schedule.id}/runs?cursor=${page.body.nextCursor}`);
    const listed = [...page.body.items, ...rest.body.items].map(({ dueAt }) => dueAt);
    expect(listed).toEqual(
      runs
        .map(({ dueAt }) => dueAt)
        .sort()
        .reverse(),
    );
  });

  it('leaves its session running when the schedule is deleted', async () => {
    const { body: schedule } = await create();
    const run = await trigger(schedule.id);
    await call('DELETE', `/schedules/${schedule.id}`);
    expect(await stateOf(run.sessionId)).toBe('pending');
  });
});
