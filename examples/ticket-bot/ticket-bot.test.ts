import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBot } from './bot.ts';
import type { Finding } from './finding.ts';
import { Tickets } from './tickets.ts';
import type { Tracker } from './tracker.ts';
import { github } from './trackers/github.ts';
import { jira } from './trackers/jira.ts';
import { pagerduty } from './trackers/pagerduty.ts';
import { slack } from './trackers/slack.ts';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const FINDING: Finding = {
  id: '0198c0de-0000-7000-8000-000000000001',
  code: 'accept_queue_full',
  severity: 'critical',
  title: 'The accept queue of nginx <!channel> @everyone is full',
  lastSeenAt: '2026-01-31T08:15:30.000000Z',
  impact: { clients: 3, hosts: 1, handshakes: 37 },
  evidence: [{ observation: 'SYNs refused: accept queue full', value: '``` @team' }],
  wouldBeRefutedBy: 'a queue that has room',
  advice: [{ what: 'net.core.somaxconn', now: '128', suggested: 'sysctl -w net.core.somaxconn=1024' }],
};

/** What the stand-in for a tracker was asked, as "METHOD path" and the body. */
const asked: { readonly line: string; readonly body: string }[] = [];
let answerStatus = 200;
let standIn: Server;
let bot: Server | undefined;
let folder: string;
const urlOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const listen = (server: Server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

/** Enough of each tracker's answers for the bot to go on. */
const ANSWER = {
  number: 42,
  key: 'NET-42',
  ok: true,
  ts: '1700000000.000100',
  transitions: [
    { id: '11', to: { statusCategory: { key: 'new' } } },
    { id: '31', to: { statusCategory: { key: 'done' } } },
  ],
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'synscope-bot-'));
  asked.length = 0;
  answerStatus = 200;
  standIn = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push({ line: `${request.method} ${request.url}`, body });
    response.writeHead(answerStatus, { 'retry-after': '30' }).end(JSON.stringify(ANSWER));
  });
  await listen(standIn);
});
afterEach(async () => {
  await close(bot);
  await close(standIn);
  rmSync(folder, { recursive: true });
});

async function close(server: Server | undefined): Promise<void> {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
}

async function start(tracker: Tracker): Promise<void> {
  await close(bot);
  bot = createBot(SECRET, new Tickets(tracker, join(folder, 'tickets.json')));
  await listen(bot);
}

/** As Synscope sends it. `minute` is when it happened. */
async function send(
  type: string,
  minute: number,
  finding: Partial<Finding> = {},
  secret = SECRET,
): Promise<Response> {
  const timestamp = `2026-01-31T08:${String(minute).padStart(2, '0')}:00.000000Z`;
  const body = JSON.stringify({ type, timestamp, data: { ...FINDING, ...finding } });
  const now = new Date();
  const id = '0198c0de-0000-7000-8000-0000000000aa';
  return fetch(urlOf(bot as Server), {
    method: 'POST',
    headers: {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'webhook-signature': new Webhook(secret).sign(id, now, body),
    },
    body,
  });
}

const TRACKERS: Readonly<Record<string, () => Tracker>> = {
  github: () => github(urlOf(standIn), 'acme/network', 'token'),
  jira: () => jira(urlOf(standIn), 'me@example.com', 'token', 'NET'),
  slack: () => slack(urlOf(standIn), 'token', 'C123'),
  pagerduty: () => pagerduty(urlOf(standIn), 'key'),
};
const startWith = (name: string) => start((TRACKERS[name] as () => Tracker)());
const lines = () => asked.map(({ line }) => line);

describe('the ticket bot', () => {
  it.each<[string, readonly string[], readonly RegExp[]]>([
    [
      'github',
      [
        'POST /repos/acme/network/issues',
        'PATCH /repos/acme/network/issues/42',
        'PATCH /repos/acme/network/issues/42',
        'PATCH /repos/acme/network/issues/42',
      ],
      [/"labels":\["synscope","accept_queue_full"\]/, /"title"/, /"state":"closed"/, /"state":"open"/],
    ],
    [
      'jira',
      [
        'POST /rest/api/3/issue',
        'PUT /rest/api/3/issue/NET-42',
        'PUT /rest/api/3/issue/NET-42',
        'GET /rest/api/3/issue/NET-42/transitions',
        'POST /rest/api/3/issue/NET-42/transitions',
        'PUT /rest/api/3/issue/NET-42',
        'GET /rest/api/3/issue/NET-42/transitions',
        'POST /rest/api/3/issue/NET-42/transitions',
      ],
      [/"project":\{"key":"NET"\}/, /"summary"/, /./, /^$/, /"id":"31"/, /./, /^$/, /"id":"11"/],
    ],
    [
      'slack',
      [
        'POST /api/chat.postMessage',
        'POST /api/chat.update',
        'POST /api/chat.update',
        'POST /api/chat.update',
      ],
      [/"channel":"C123"/, /"ts":"1700000000.000100"/, /resolved/, /again/],
    ],
    [
      'pagerduty',
      ['POST /v2/enqueue', 'POST /v2/enqueue', 'POST /v2/enqueue', 'POST /v2/enqueue'],
      [
        /"event_action":"trigger".*"severity":"critical"/,
        /"trigger"/,
        /"event_action":"resolve"/,
        /"trigger"/,
      ],
    ],
  ])('opens, updates, closes and reopens one ticket of %s', async (name, requests, bodies) => {
    await startWith(name);
    const answers = [
      await send('finding.opened', 1),
      await send('finding.updated', 2),
      await send('finding.resolved', 3),
      await send('finding.opened', 4),
    ];
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204, 204]);
    expect(lines()).toEqual(requests);
    for (const [index, pattern] of bodies.entries()) expect(asked[index]?.body).toMatch(pattern);
  });

  it('does nothing for an event that comes again, or after a newer one, also after a restart', async () => {
    await startWith('github');
    await Promise.all([send('finding.opened', 1), send('finding.opened', 1)]);
    await send('finding.resolved', 3);
    await startWith('github');
    for (const minute of [1, 2, 3]) expect((await send('finding.updated', minute)).status).toBe(204);
    expect(lines()).toEqual(['POST /repos/acme/network/issues', 'PATCH /repos/acme/network/issues/42']);
    expect(readFileSync(join(folder, 'tickets.json'), 'utf8')).toContain('"isOpen":false');
  });

  it('opens no ticket for a finding that was over before it heard of it', async () => {
    await startWith('slack');
    await send('finding.resolved', 2);
    await send('finding.opened', 1);
    expect(asked).toEqual([]);
  });

  it('asks to be sent again what the tracker did not take, when the tracker said so', async () => {
    await startWith('github');
    answerStatus = 429;
    const refused = await send('finding.opened', 1);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('30');
    answerStatus = 200;
    expect((await send('finding.opened', 1)).status).toBe(204);
    expect(lines()).toHaveLength(2);
  });

  it('does nothing for what is not signed with its secret, and answers a test', async () => {
    await startWith('github');
    const other = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
    expect((await send('finding.opened', 1, {}, other)).status).toBe(401);
    expect((await fetch(urlOf(bot as Server), { method: 'POST', body: '{}' })).status).toBe(401);
    expect((await send('webhook.test', 1)).status).toBe(204);
    expect(asked).toEqual([]);
  });

  it('keeps what others have named from being a mention or markup', async () => {
    await startWith('slack');
    await send('finding.opened', 1);
    expect(asked[0]?.body).toContain('&lt;!channel&gt;');
    await startWith('github');
    await send('finding.opened', 1, { id: '0198c0de-0000-7000-8000-000000000002' });
    const { body } = JSON.parse(asked[1]?.body ?? '');
    expect(body).toMatch(/^````text\n.*\n````$/s);
  });
});
