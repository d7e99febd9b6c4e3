import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AuditEventStore } from '../audit/audit-event.store.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

const ROWS = 60_000;
const CHUNKS = ROWS / 1_000;

describe('a streamed list', () => {
  let control: TestApplication;

  beforeAll(async () => {
    control = await startTestApplication();
    const client = new pg.Client({ connectionString: control.databaseUrl });
    await client.connect();
    // About 1 kB a row, so that the whole is far more than what sockets buffer.
    await client.query(
      `INSERT INTO audit_event (id, actor_name, action, resource_kind, detail)
       SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'test', 'bulk', 'row', jsonb_build_object('text', repeat('x', 1000))
         FROM generate_series(1, $1::int) n`,
      [ROWS],
    );
    await client.end();
  });
  afterAll(() => control.close());

  async function open(): Promise<IncomingMessage> {
    const request = get(`${control.baseUrl}/api/v1/audit-events?action=bulk`, {
      agent: false,
      headers: { authorization: `Bearer ${control.adminToken}`, accept: 'application/x-ndjson' },
    });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response;
  }

  it('reads no further than its reader takes, and stops when the reader leaves', async () => {
    const list = vi.spyOn(control.app.get(AuditEventStore), 'list');
    const response = await open();
    await vi.waitFor(
      async () => {
        const before = list.mock.calls.length;
        await delay(300);
        expect(list.mock.calls.length).toBe(before);
      },
      { timeout: 20_000 },
    );
    const whileNobodyReads = list.mock.calls.length;
    expect(whileNobodyReads).toBeLessThan(CHUNKS / 2);
    response.destroy();
    await delay(300);
    expect(list.mock.calls.length).toBeLessThanOrEqual(whileNobodyReads + 1);
    list.mockRestore();
    expect(control.logLines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('holds every row once, in order', async () => {
    let text = '';
    for await (const part of (await open()).setEncoding('utf8')) text += part;
    const numbers = text
      .trimEnd()
      .split('\n')
      .map((line) => Number(JSON.parse(line).id.slice(-12)));
    expect(numbers).toHaveLength(ROWS);
    expect(numbers.every((number, index) => number === ROWS - index)).toBe(true);
  });

  it('is broken off, not ended, when the database fails in the middle', async () => {
    const list = vi.spyOn(control.app.get(AuditEventStore), 'list');
    list.mockImplementation(async (_filter, _window, after) => {
      if (after !== null) throw new Error('connection lost');
      return Array.from({ length: 1_000 }, () => ({
        id: '00000000-0000-7000-8000-000000000001',
        occurredAt: '2026-01-31T08:15:30.123456Z',
        actor: { tokenId: null, name: 'test' },
        action: 'bulk',
        resource: { kind: 'row', id: null },
        source: { address: null, requestId: null },
        before: null,
        after: null,
        detail: {},
      }));
    });
    const response = await open();
    const reading = (async () => {
      for await (const _part of response);
    })();
    await expect(reading).rejects.toThrow(/aborted|socket hang up|ECONNRESET/);
    list.mockRestore();
  });
});
