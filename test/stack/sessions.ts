import type { Handshake, Page, TraceSession } from './answers.ts';
import type { Api } from './api.ts';
import { processNames } from './loopback.ts';
import { until } from './until.ts';

/** Starts a session for the connections of loopback.ts and resolves once every online agent runs it. */
export async function startSession(api: Api, name: string, changes: object = {}): Promise<TraceSession> {
  return await api.post<TraceSession>('/api/v1/trace-sessions?wait=30s', {
    name,
    probes: ['tcp_handshake'],
    filter: { processNames },
    durationSeconds: 600,
    ...changes,
  });
}

export async function stopSession(api: Api, session: TraceSession): Promise<TraceSession> {
  await api.post(`/api/v1/trace-sessions/${session.id}/stop`);
  return await api.get<TraceSession>(`/api/v1/trace-sessions/${session.id}?wait=30s`);
}

/** Every record that a list such as "handshakes" has for a query, over all pages. */
export async function allRecords<Item>(
  api: Api,
  list: 'handshakes' | 'dns-queries' | 'name-lookups' | 'receive-queue-drops',
  query: Readonly<Record<string, string>>,
): Promise<readonly Item[]> {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const parameters = new URLSearchParams({ since: '1h', limit: '1000', ...query });
    if (cursor !== null) parameters.set('cursor', cursor);
    const page: Page<Item> = await api.get(`/api/v1/${list}?${parameters}`);
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return items;
}

export async function allHandshakes(
  api: Api,
  query: Readonly<Record<string, string>>,
): Promise<readonly Handshake[]> {
  return await allRecords<Handshake>(api, 'handshakes', query);
}

/** Resolves with a session's records once there are so many. */
export async function untilHandshakes(
  api: Api,
  session: TraceSession,
  count: number,
  timeoutMs?: number,
): Promise<readonly Handshake[]> {
  return await until(
    `${count} records`,
    async () => {
      const items = await allHandshakes(api, { sessionId: session.id });
      return items.length >= count ? items : undefined;
    },
    timeoutMs,
  );
}
