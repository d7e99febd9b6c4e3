import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DnsClient } from '../lab/dns-client.js';
import { DnsServer } from '../lab/dns-server.js';
import { labUnavailable } from '../lab/lab.js';
import { buildLabTools } from '../lab/tools.js';
import type { DnsQuery, NameLookup, Summary, TraceSession } from '../stack/answers.js';
import type { Api } from '../stack/api.js';
import { measureDnsVolume } from '../stack/dns-volume.js';
import { allRecords, startSession, stopSession } from '../stack/sessions.js';
import { Stack } from '../stack/stack.js';
import { until } from '../stack/until.js';

const run = promisify(execFile);
// Others may ask their DNS servers at the same time.
const suffix = `p${process.pid}.e2e.test`;

describe.skipIf(labUnavailable())('a running Synscope that traces DNS', () => {
  let stack: Stack;
  let api: Api;
  let server: DnsServer;

  beforeAll(async () => {
    await buildLabTools();
    server = await DnsServer.start(undefined, { addresses: ['127.0.0.1'], port: 0 });
    stack = await Stack.start();
    api = await stack.api();
  });

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  async function startDnsSession(name: string, changes: object = {}): Promise<TraceSession> {
    const filter = { queryNameSuffixes: [suffix], dnsPorts: [server.address.port] };
    return await startSession(api, name, { probes: ['dns'], filter, ...changes });
  }

  async function ask(...questions: string[]): Promise<void> {
    await using client = await DnsClient.start(undefined, { ...server.address, questions });
    await client.done();
  }

  async function untilQueries(session: TraceSession, count: number): Promise<readonly DnsQuery[]> {
    return await until(`${count} DNS queries`, async () => {
      const items = await allRecords<DnsQuery>(api, 'dns-queries', { sessionId: session.id });
      return items.length >= count ? items : undefined;
    });
  }

  test('finds the name with high latency, and the server that it waits for, in one call', async () => {
    const session = await startDnsSession('slow names');
    const fast = Array.from({ length: 20 }, (_, index) => `fast${index % 4}.${suffix}/A`);
    const slow = `d200.slow.${suffix}`;
    await ask(...fast, `${slow}/A`, `${slow}/AAAA`);
    await untilQueries(session, 2 * (fast.length + 2));
    const summary = await api.get<Summary>(
      `/api/v1/dns-queries/summary?since=1h&sessionId=${session.id}&side=client&groupBy=queryName,serverAddress&order=-p99`,
    );
    expect(summary.items).toHaveLength(5);
    expect(summary.items[0]).toMatchObject({
      group: { queryName: slow, serverAddress: '127.0.0.1' },
      count: 2,
    });
    expect(summary.items[0]?.latencyUs.p99).toBeGreaterThanOrEqual(200_000);
    expect(summary.items[1]?.latencyUs.p99).toBeLessThan(200_000);
    const ended = await stopSession(api, session);
    expect(ended.recordCounts).toEqual({ dns: 2 * (fast.length + 2) });
    expect(ended.loss.records).toBe(0);
  });

  test('keeps only what is slow, and what failed, if asked to', async () => {
    const session = await startDnsSession('only slow ones', {
      filter: {
        queryNameSuffixes: [suffix],
        dnsPorts: [server.address.port],
        minLatencyMs: 100,
        dnsSides: ['client'],
      },
    });
    await ask(`fast.${suffix}/A`, `d150.slow.${suffix}/A`, `servfail.${suffix}/A`);
    const [record] = await untilQueries(session, 1);
    await stopSession(api, session);
    expect(await untilQueries(session, 1)).toHaveLength(1);
    expect(record).toMatchObject({ side: 'client', queryName: `d150.slow.${suffix}`, outcome: 'answered' });
  });

  test('shows bytes of names that would steer a terminal as escapes, in JSON and in CSV', async () => {
    const session = await startDnsSession('escapes');
    await ask(`a\\027[31m\\044=b.${suffix}/A`);
    const [record] = await untilQueries(session, 2);
    expect(record?.queryName).toBe(`a\\027[31m,=b.${suffix}`);
    const csv = await api.text(`/api/v1/dns-queries?since=1h&sessionId=${session.id}`, 'text/csv');
    expect(csv).toContain('\\027[31m');
    expect(csv).not.toContain('\u001b');
    await stopSession(api, session);
  });

  test('reports what getaddrinfo() waited for, also where the hosts file knew the name and nobody was asked', async () => {
    const session = await startSession(api, 'name lookups', {
      probes: ['dns', 'name_lookup'],
      filter: { queryNames: ['localhost'], processNames: ['getent'] },
    });
    const lookup = run('getent', ['ahosts', 'localhost']);
    await lookup;
    const [record] = await until('name lookup', async () => {
      const items = await allRecords<NameLookup>(api, 'name-lookups', { sessionId: session.id });
      return items.length > 0 ? items : undefined;
    });
    expect(record).toMatchObject({
      name: 'localhost',
      result: 'success',
      process: { pid: lookup.child.pid, name: 'getent' },
    });
    expect(record?.latencyUs).toBeLessThan(5_000_000);
    const ended = await stopSession(api, session);
    expect(ended.recordCounts).toMatchObject({ name_lookup: 1, dns: 0 });
  });

  test('of thousands of queries each has one record on each side, and none is lost', {
    timeout: 120_000,
  }, async () => {
    const volume = await measureDnsVolume(api, { queriesPerSecond: 2_000, seconds: 2 });
    expect(volume.dnsperf.sent).toBeGreaterThan(1_000);
    expect(volume).toMatchObject({
      stored: { client: volume.dnsperf.sent, resolver: volume.dnsperf.sent },
      mostOfOneQuery: 1,
      lost: 0,
      unaccounted: 0,
    });
  });
});
