import type { Finding } from '@synscope/api-contract';
import { HandshakeOutcome } from '@synscope/protocol';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../testing/eventually.js';
import { handshakeRecord } from '../testing/handshake-batch.js';
import { listenerRecord } from '../testing/listener-record.js';
import { findingEngineRuns } from '../testing/open-findings.js';
import { ipv4 } from '../testing/record-columns.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { type TracedHost, tracedHost } from '../testing/traced-hosts.js';
import { RuleRunner } from './engine/rule-runner.js';
import type { Rule } from './rules/rule.js';

const QUICKLY_RESOLVED = { SYNSCOPE_FINDING_RESOLVE_AFTER: '5s' };

let first: TestApplication;
let second: TestApplication;
let host: TracedHost;
beforeAll(async () => {
  first = await startTestApplication();
  await findingEngineRuns(first);
  second = await startTestApplication({ DATABASE_URL: first.databaseUrl });
  host = await tracedHost(first, 'web-1');
});
afterAll(async () => {
  await second?.close();
  await first?.close();
});

const refused = (address: string, port = 443) =>
  handshakeRecord({
    remoteAddress: ipv4(address),
    remotePort: port,
    outcome: HandshakeOutcome.REFUSED,
    latencyUs: 1_000,
  });
const findingsAt = async (address: string, application = first): Promise<Finding[]> =>
  (await application.call('GET', `/findings?address=${address}`)).body.items;
const handshakesAt = async (address: string) => (await findingsAt(address))[0]?.impact.handshakes ?? 0;
const eventsOf = async (id: string): Promise<{ type: string; data: Record<string, unknown> }[]> => {
  const rows: { type: string; data: Record<string, unknown> }[] = await first.app
    .get(DataSource)
    .query('SELECT type, data FROM webhook_event ORDER BY id');
  return rows.filter(({ data }) => data['id'] === id);
};

describe('the finding engine', () => {
  it('counts each record once with two replicas, whichever takes it in, and goes on when the one that judges ends', async () => {
    const rounds = 3;
    for (let round = 0; round < rounds; round++) await host.send({ handshakes: [refused('192.0.2.1')] });
    await eventually(
      () => handshakesAt('192.0.2.1'),
      (count) => count >= rounds,
    );
    const third = await startTestApplication({ DATABASE_URL: first.databaseUrl });
    await second.close();
    second = third;
    await host.send({ handshakes: [refused('192.0.2.1'), refused('192.0.2.2')] });
    await eventually(
      () => findingsAt('192.0.2.2'),
      (found) => found.length > 0,
    );
    expect(await handshakesAt('192.0.2.1')).toBe(rounds + 1);
  });

  it('tells bots once that a finding opened, with what the API answers', async () => {
    await host.send({ handshakes: [refused('192.0.2.3')] });
    const [finding] = await eventually(
      () => findingsAt('192.0.2.3'),
      (found) => found.length > 0,
    );
    expect(await eventsOf(finding?.id ?? '')).toEqual([{ type: 'finding.opened', data: finding }]);
  });

  it('opens a resolved finding again, with the impact since then', async () => {
    await host.send({ handshakes: [refused('192.0.2.4'), refused('192.0.2.4')] });
    const [finding] = await eventually(
      () => findingsAt('192.0.2.4'),
      (found) => found.length > 0,
    );
    const id = finding?.id ?? '';
    const resolved = await first.call('POST', `/findings/${id}/resolve`, { body: { comment: 'fixed' } });
    expect([resolved.body.state, resolved.body.resolvedAt !== null]).toEqual(['resolved', true]);
    await host.send({ handshakes: [refused('192.0.2.4')] });
    const [again] = await eventually(
      () => findingsAt('192.0.2.4'),
      ([found]) => found?.state === 'open',
    );
    expect(again).toMatchObject({
      id,
      occurrences: 2,
      firstSeenAt: finding?.firstSeenAt,
      resolvedAt: null,
      impact: { handshakes: 1 },
    });
    expect((await eventsOf(id)).map(({ type }) => type)).toEqual([
      'finding.opened',
      'finding.resolved',
      'finding.opened',
    ]);
  });

  it('keeps a finding acknowledged while evidence goes on', async () => {
    await host.send({ handshakes: [refused('192.0.2.5')] });
    const [finding] = await eventually(
      () => findingsAt('192.0.2.5'),
      (found) => found.length > 0,
    );
    const path = `/findings/${finding?.id}`;
    await first.call('POST', `${path}/acknowledge`, { body: {} });
    await host.send({ handshakes: [refused('192.0.2.5')] });
    await eventually(
      () => handshakesAt('192.0.2.5'),
      (count) => count === 2,
    );
    expect((await first.call('GET', path)).body.state).toBe('acknowledged');
    await first.call('POST', `${path}/resolve`, { body: {} });
    const { status, body } = await first.call('POST', `${path}/acknowledge`, { body: {} });
    expect([status, body.code]).toEqual([409, 'finding_resolved']);
  });

  it('asks the other rules when one fails, and shows that it did', async () => {
    const broken: Rule = {
      code: 'slow_accept',
      looksFor: '',
      needs: [],
      wouldBeRefutedBy: '',
      onHandshake: () => {
        throw new Error('division by cucumber');
      },
    };
    const runners = [first, second].map(({ app }) => app.get(RuleRunner));
    const rules = runners[0]?.rules ?? [];
    for (const runner of runners) runner.rules = [broken, ...rules];
    await host.send({ handshakes: [refused('192.0.2.6')] });
    await eventually(
      () => findingsAt('192.0.2.6'),
      (found) => found.length > 0,
    );
    for (const runner of runners) runner.rules = rules;
    const { body } = await first.call('GET', '/finding-rules');
    expect(body.items).toContainEqual(
      expect.objectContaining({ code: 'slow_accept', failures: 1, lastFailure: 'division by cucumber' }),
    );
    const errors = [...first.logLines, ...second.logLines].filter(({ level }) => level === 'error');
    expect(JSON.stringify(errors)).toContain('the rule slow_accept failed; the others go on');
  });

  it('opens 10,000 findings at once, page by page, and goes on', async () => {
    const ports = Array.from({ length: 10_000 }, (_, index) => index + 1_000);
    for (let start = 0; start < ports.length; start += 4_000)
      await host.send({
        handshakes: ports.slice(start, start + 4_000).map((port) => refused('198.51.100.1', port)),
      });
    await host.send({ handshakes: [refused('192.0.2.7')] });
    await eventually(
      () => findingsAt('192.0.2.7'),
      (found) => found.length > 0,
    );
    const { text } = await first.call('GET', '/findings?address=198.51.100.1', {
      headers: { accept: 'application/x-ndjson' },
    });
    expect(text.trimEnd().split('\n').length).toBe(10_000);
  }, 180_000);
});

describe('a finding without further evidence', () => {
  it('resolves by itself, and bots are told', async () => {
    const application = await startTestApplication(QUICKLY_RESOLVED);
    await findingEngineRuns(application);
    const server = await tracedHost(application, 'db-1');
    await server.send({
      listeners: [listenerRecord({ syns: 9, synsRefusedAcceptQueueFull: 9, acceptQueueLimit: 1 })],
    });
    const [finding] = await eventually(
      async (): Promise<Finding[]> => (await application.call('GET', '/findings?state=resolved')).body.items,
      (found) => found.length > 0,
    );
    expect([finding?.code, finding?.resolvedAt !== null]).toEqual(['accept_queue_full', true]);
    const events: { type: string }[] = await application.app
      .get(DataSource)
      .query('SELECT type FROM webhook_event ORDER BY id');
    expect(events.map(({ type }) => type)).toEqual(['finding.opened', 'finding.resolved']);
    await application.close();
  });
});
