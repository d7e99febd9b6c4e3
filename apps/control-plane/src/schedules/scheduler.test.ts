import { startThrowawayPostgres } from '@synscope/testing';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { eventually } from '../testing/eventually.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { fireTime } from './jitter.js';
import { KEPT_RUNS } from './schedule-run.store.js';

let here: TestApplication;
let there: TestApplication;
beforeAll(async () => {
  here = await startTestApplication();
  there = await startTestApplication({ DATABASE_URL: here.databaseUrl });
});
afterEach(() => vi.useRealTimers());
afterAll(async () => {
  await there.close();
  await here.close();
});

interface Run {
  readonly dueAt: string;
  readonly firedAt: string | null;
  readonly outcome: string;
  readonly error: string | null;
  readonly sessionId: string | null;
  readonly trigger: string;
}

let names = 0;
async function create(body: object = {}, application = here): Promise<string> {
  const created = await application.call('POST', '/schedules', {
    body: {
      name: `schedule ${names++}`,
      everySeconds: 3_600,
      session: { probes: ['tcp_handshake'], selector: 'test=nobody' },
      ...body,
    },
  });
  expect(created.body).toHaveProperty('id');
  return created.body.id;
}

const runsOf = async (id: string, application = here): Promise<Run[]> =>
  (await application.call('GET', `/schedules/${id}/runs`)).body.items;

/** Resolves once it has so many runs. */
const runs = (id: string, count: number, application = here): Promise<Run[]> =>
  eventually(
    () => runsOf(id, application),
    (items) => items.length >= count,
  );

const sql = (text: string, parameters: unknown[] = [], application = here) =>
  application.app.get(DataSource).query(text, parameters);

/** As if so much time had gone by since the schedules were made, without a replica that looked at them. */
async function age(ids: readonly string[], seconds: number, application = here): Promise<void> {
  await sql(
    `UPDATE schedule SET anchor_at = anchor_at - make_interval(secs => $2), next_due_at = next_due_at - make_interval(secs => $2),
            next_fire_at = next_fire_at - make_interval(secs => $2) WHERE id = ANY($1)`,
    [ids, seconds],
    application,
  );
}

/** How many due times this replica has taken on. */
async function startedCount({ baseUrl }: TestApplication): Promise<number> {
  const metrics = await (await fetch(`${baseUrl}/metrics`)).text();
  return Number(/synscope_schedule_runs_total\{outcome="started"\} (\d+)/.exec(metrics)?.[1] ?? 0);
}

/** What a change of a schedule does. */
const wake = () => sql(`SELECT pg_notify('synscope_change', 'schedule:any')`);

describe('two replicas', () => {
  it('fire each due time once', async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, () => create({ catchUpSeconds: 3_600 })));
    await age(ids, 3_610);
    await wake();
    const count = (of: string) =>
      sql(`SELECT count(${of})::int AS count FROM schedule_run WHERE schedule_id = ANY($1)`, [ids]).then(
        (rows: { count: number }[]) => rows[0]?.count,
      );
    await vi.waitFor(async () => expect(await count('DISTINCT schedule_id')).toBe(ids.length), 20_000);
    await wake();
    // Nothing comes after it.
    const last = await create({ catchUpSeconds: 3_600 });
    await age([last], 3_605);
    await wake();
    await runs(last, 1);
    expect(await count('*')).toBe(ids.length);
    expect(await runsOf(ids[0] ?? '', there)).toMatchObject([{ outcome: 'started', trigger: 'schedule' }]);
    const [{ sessions }] = await sql(
      'SELECT count(DISTINCT session_id)::int AS sessions FROM schedule_run WHERE schedule_id = ANY($1)',
      [ids],
    );
    expect(sessions).toBe(ids.length);
    // Counted a moment after the commit.
    await vi.waitFor(async () => {
      const counts = await Promise.all([here, there].map(startedCount));
      expect(counts.reduce((sum, one) => sum + one, 0)).toBe(ids.length + 1);
    });
  });

  it.each([-300_000, 300_000])(
    'fire in time by the database’s clock when theirs is off by %d ms',
    async (offMs) => {
      const now = Date.now();
      vi.useFakeTimers({ toFake: ['Date'], now: now + offMs });
      const id = await create();
      await sql(
        `UPDATE schedule SET next_due_at = due, next_fire_at = due
         FROM (SELECT date_trunc('second', clock_timestamp()) + interval '2 seconds' AS due) AS soon WHERE id = $1`,
        [id],
      );
      await wake();
      const [run] = await runs(id, 1);
      const lateMs = Date.parse(run?.firedAt ?? '') - Date.parse(run?.dueAt ?? '');
      expect(run?.outcome).toBe('started');
      expect(lateMs).toBeGreaterThanOrEqual(0);
      // The next sweep would be five seconds later.
      expect(lateMs).toBeLessThan(3_000);
      const next = (await here.call('GET', `/schedules/${id}`)).body.nextRuns[0];
      expect(Date.parse(next)).toBeGreaterThan(now);
    },
  );

  it('take over from one that died while it fired', async () => {
    const [id, other] = [await create(), await create()];
    const dying = new pg.Client(here.databaseUrl);
    await dying.connect();
    await dying.query('BEGIN');
    await dying.query('SELECT FROM schedule WHERE id = $1 FOR UPDATE', [id]);
    const makeDue = `UPDATE schedule SET next_due_at = date_trunc('second', now()), next_fire_at = date_trunc('second', now()) WHERE id = $1`;
    await dying.query(makeDue, [id]);
    await dying.query(
      `INSERT INTO schedule_run (id, schedule_id, due_at, manual, outcome) VALUES (gen_random_uuid(), $1, now(), FALSE, 'missed')`,
      [id],
    );
    await sql(makeDue, [other]);
    await wake();
    // It keeps nobody from firing the others.
    await runs(other, 1);
    expect(await runsOf(id)).toEqual([]);
    await dying.query('ROLLBACK');
    await dying.end();
    await sql(makeDue, [id]);
    await wake();
    expect(await runs(id, 1)).toMatchObject([{ outcome: 'started' }]);
  });
});

describe('a due schedule', () => {
  const HOUR = 3_600;

  it('names its session by itself and the due time', async () => {
    const id = await create({ name: 'named', catchUpSeconds: HOUR });
    await age([id], HOUR + 5);
    await wake();
    const [run] = await runs(id, 1);
    const { body } = await here.call('GET', `/trace-sessions/${run?.sessionId}`);
    expect(body.name).toBe(`named ${run?.dueAt.replace('.000000', '')}`);
    const [event] = (await here.call('GET', `/audit-events?resourceId=${body.id}`)).body.items;
    expect(event).toMatchObject({
      action: 'trace_session.create',
      actor: { tokenId: null, name: 'schedule named' },
    });
  });

  it('fires the latest of those that were missed, if that is within the catch-up window', async () => {
    const [caught, late] = [
      await create({ everySeconds: 600, catchUpSeconds: 600 }),
      await create({ everySeconds: 600, catchUpSeconds: 0 }),
    ];
    await age([caught, late], 600 * 3 + 300);
    await wake();
    const [caughtRuns, lateRuns] = [await runs(caught, 3), await runs(late, 3)];
    expect(caughtRuns.map(({ outcome }) => outcome)).toEqual(['started', 'missed', 'missed']);
    expect(caughtRuns[1]?.error).toContain('a later due time was caught up');
    expect(lateRuns.map(({ outcome }) => outcome)).toEqual(['missed', 'missed', 'missed']);
    expect(lateRuns[0]).toMatchObject({ firedAt: null, sessionId: null });
    expect(lateRuns[0]?.error).toContain('catchUpSeconds is 0');
    const { nextRuns } = (await here.call('GET', `/schedules/${late}`)).body;
    expect(Date.parse(nextRuns[0]) - Date.parse(lateRuns[0]?.dueAt ?? '')).toBe(600_000);
  });

  it('waits for its jitter, which is the same for all replicas', async () => {
    const id = await create({ jitterSeconds: HOUR });
    const [row] = await sql('SELECT next_due_at, next_fire_at FROM schedule WHERE id = $1', [id]);
    expect(row.next_fire_at).toEqual(fireTime(id, row.next_due_at, HOUR));
    // Due, and the jitter not over.
    await sql(
      `UPDATE schedule SET anchor_at = anchor_at - make_interval(secs => $2), next_due_at = next_due_at - make_interval(secs => $2),
              next_fire_at = now() + interval '5 minutes' WHERE id = $1`,
      [id, HOUR + 5],
    );
    await wake();
    const { body } = await here.call('GET', `/schedules/${id}`);
    expect(Date.parse(body.nextRuns[0])).toBe(row.next_due_at.getTime() - (HOUR + 5) * 1_000);
    expect(await runsOf(id)).toEqual([]);
  });

  it('is skipped, replaces or joins the session of the run before', async () => {
    const [skip, replace, allow] = [
      await create({ overlap: 'skip', catchUpSeconds: HOUR }),
      await create({ overlap: 'replace', catchUpSeconds: HOUR }),
      await create({ overlap: 'allow', catchUpSeconds: HOUR }),
    ];
    const first = await Promise.all(
      [skip, replace, allow].map(async (id) => (await here.call('POST', `/schedules/${id}/trigger`)).body),
    );
    await age([skip, replace, allow], HOUR + 5);
    await wake();
    const second = await Promise.all(
      [skip, replace, allow].map(async (id) => (await runs(id, 2)).find((run) => run.trigger === 'schedule')),
    );
    expect(second.map((run) => run?.outcome)).toEqual(['skipped', 'started', 'started']);
    const states = await Promise.all(
      first.map(async (run) => (await here.call('GET', `/trace-sessions/${run.sessionId}`)).body.state),
    );
    expect(states).toEqual(['pending', 'stopped', 'pending']);
  });

  it('does not fire while it is paused, nor what was due meanwhile', async () => {
    const id = await create({ everySeconds: 600, catchUpSeconds: HOUR });
    await here.call('PATCH', `/schedules/${id}`, { body: { paused: true } });
    await age([id], 1_500);
    const { body } = await here.call('PATCH', `/schedules/${id}`, { body: { paused: false } });
    expect(Date.parse(body.nextRuns[0])).toBeGreaterThan(Date.now());
    const other = await create({ catchUpSeconds: HOUR });
    await age([other], HOUR + 5);
    await wake();
    await runs(other, 1);
    expect(await runsOf(id)).toEqual([]);
  });

  it('has a failed run with the reason if its session cannot be started', async () => {
    const id = await create({ catchUpSeconds: HOUR });
    await sql(
      `UPDATE schedule SET session = jsonb_set(session, '{selector}', '"env=prod role=web"') WHERE id = $1`,
      [id],
    );
    await age([id], HOUR + 5);
    await wake();
    const [run] = await runs(id, 1);
    expect(run).toMatchObject({ outcome: 'failed', sessionId: null });
    expect(run?.error).toMatch(/^selector: /);
  });

  it('that cannot even be read is reported, and keeps no other from firing', async () => {
    const [broken, sound] = [await create({ catchUpSeconds: HOUR }), await create({ catchUpSeconds: HOUR })];
    await sql(`UPDATE schedule SET session = '{"probes": []}' WHERE id = $1`, [broken]);
    await age([broken], HOUR + 20);
    await age([sound], HOUR + 5);
    await wake();
    expect(await runs(sound, 1)).toMatchObject([{ outcome: 'started' }]);
    await vi.waitFor(() => {
      const errors = [...here.logLines, ...there.logLines].filter(({ level }) => level === 'error');
      expect(JSON.stringify(errors)).toContain(`the schedule ${broken}`);
    });
    await sql('DELETE FROM schedule WHERE id = $1', [broken]);
  });

  it('keeps its latest runs only', async () => {
    const id = await create({ overlap: 'allow' });
    await sql(
      `INSERT INTO schedule_run (id, schedule_id, due_at, manual, outcome)
       SELECT gen_random_uuid(), $1, now() - make_interval(secs => n), FALSE, 'missed' FROM generate_series(1, $2::int) AS n`,
      [id, KEPT_RUNS + 5],
    );
    const { body: run } = await here.call('POST', `/schedules/${id}/trigger`);
    const [{ count, latest }] = await sql(
      'SELECT count(*)::int, (max(due_at)) AS latest FROM schedule_run WHERE schedule_id = $1',
      [id],
    );
    expect(count).toBe(KEPT_RUNS);
    expect(latest.getTime()).toBe(Date.parse(run.dueAt));
  });
});

it('a control plane that starts makes up for what was due while none was there', async () => {
  const first = await startTestApplication({ DATABASE_URL: here.databaseUrl });
  const id = await create({ everySeconds: 600, catchUpSeconds: 600 }, first);
  await first.close();
  await age([id], 1_500);
  // The replicas that run would notice by their sweep; the start is sooner, or they are: it fires once.
  const second = await startTestApplication({ DATABASE_URL: here.databaseUrl });
  const [latest, earlier, ...others] = await runs(id, 2, second);
  expect([latest?.outcome, earlier?.outcome, others.length]).toEqual(['started', 'missed', 0]);
  await second.close();
});

it('what was due during an outage of the database fires after it', async () => {
  const postgres = await startThrowawayPostgres();
  const application = await startTestApplication({ DATABASE_URL: postgres.url });
  try {
    const id = await create({}, application);
    await sql(
      `UPDATE schedule SET next_due_at = date_trunc('second', now()) + interval '1 second',
              next_fire_at = date_trunc('second', now()) + interval '1 second' WHERE id = $1`,
      [id],
      application,
    );
    await postgres.stop();
    await postgres.start();
    const [run] = await eventually(
      () => runsOf(id, application),
      (items) => (items ?? []).length > 0,
    );
    expect(run).toMatchObject({ outcome: 'started' });
  } finally {
    await application.close();
    await postgres.remove();
  }
});
