import { NO_LOSS, type TraceSession, traceSessionCreateSchema } from '@synscope/api-contract';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SessionEventStream } from './session-event-stream.js';

const now = '2026-01-31T08:15:30.123456Z';
const { name, ...spec } = traceSessionCreateSchema.parse({ probes: ['dns'] });
const session: TraceSession = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  name,
  state: 'running',
  message: null,
  spec,
  createdAt: now,
  startedAt: now,
  endsAt: now,
  endedAt: null,
  targets: { matched: 1, pending: 0, running: 1, done: 0, failed: 0, offline: 0 },
  recordCounts: {},
  loss: NO_LOSS,
};
const unused = () => {
  throw new Error('nothing is stored for this session');
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('says every 15 s that it lives, and where to go on, while nothing is stored for its session', async () => {
  const stream = new SessionEventStream({
    session,
    begin: null,
    backlog: 10_000,
    batches: { page: unused, pageUntil: unused, tooFarBehind: unused } as never,
    records: { of: unused, count: unused } as never,
    reader: async () => 'reads',
  });
  const text = stream.text();
  const next = async () => (await text.next()).value ?? null;
  expect(await next()).toBe('retry: 2000\n\n');
  stream.looked({ snapshot: { next: 100, running: [99] }, stored: false, session: null });
  const first = await next();
  expect(first).toMatch(/^event: session\nid: [\w-]{8}\.2s-1\ndata: \{"id":"01890a5d-.*\}\n\n$/);
  const silent = next();
  stream.looked({ snapshot: { next: 200, running: [] }, stored: false, session: null });
  await vi.advanceTimersByTimeAsync(15_000);
  expect(await silent).toMatch(/^: heartbeat\nid: [\w-]{8}\.5k\n\n$/);

  const changed = next();
  stream.looked({ snapshot: { next: 201, running: [] }, stored: false, session });
  stream.looked({
    snapshot: { next: 202, running: [] },
    stored: false,
    session: { ...session, name: 'renamed' },
  });
  expect(await changed).toContain('"name":"renamed"');

  const last = next();
  stream.close();
  expect(await last).toBeNull();
  expect(vi.getTimerCount()).toBe(0);
});
