import type { Command } from 'commander';
import { answerOf } from '../api/api-client.js';
import type { CommandRun } from '../command-run.js';
import type { components } from '../gen/openapi.js';
import { escapeText } from '../output/escape.js';
import { type Column, renderTable } from '../output/table.js';
import { latencyText, plainText, timeText } from '../output/values.js';
import { writeJson, writeList } from '../output/write-list.js';
import {
  addConnectionFlags,
  addExample,
  addFlags,
  addListFlags,
  addOutputFlag,
  type ConnectedOptions,
  type FilterFlags,
  type ListOptions,
  PAGE_FLAGS,
  valuesOf,
} from './flags.js';

type Webhook = components['schemas']['Webhook'];
type WebhookBody = components['schemas']['WebhookCreate'];
type Delivery = components['schemas']['WebhookDelivery'];

const LIST = '/api/v1/webhooks';
const DELIVERIES = '/api/v1/webhooks/{id}/deliveries';
const LIST_FLAGS = { name: ['<text>', 'with exactly this name'] } satisfies FilterFlags<typeof LIST>;
const DELIVERIES_FLAGS = {
  state: ['<state,…>', 'that stand so: pending, delivered, failed, canceled'],
  eventType: ['<type,…>', 'of these events, such as finding.opened'],
} satisfies FilterFlags<typeof DELIVERIES>;
/** As long as an attempt may take, and some. */
const WAIT = '30s';
const AN_ID = '0198c0de-0000-7000-8000-0000000000aa';
const A_DELIVERY = '0198c0de-0000-7000-8000-0000000000bb';

export function addWebhook(program: Command, run: CommandRun): void {
  const webhook = program
    .command('webhook')
    .description('who is told of findings, ended sessions, thresholds');
  addExample(webhook, 'synscope webhook list', `synscope webhook test ${AN_ID}`);
  addList(webhook, run);
  addCreate(webhook, run);
  addEnabled(webhook, run, 'enable', true);
  addEnabled(webhook, run, 'disable', false);
  addRotate(webhook, run);
  addTest(webhook, run);
  addDeliveries(webhook, run);
  addRedeliver(webhook, run);
  addDelete(webhook, run);
}

function addList(webhook: Command, run: CommandRun): void {
  const command = webhook.command('list').description('list webhooks and how they fare');
  addListFlags(addFlags(command, LIST_FLAGS));
  addExample(command, 'synscope webhook list');
  command.action((options: ListOptions) =>
    writeList(
      run,
      { path: LIST, query: valuesOf({ ...LIST_FLAGS, ...PAGE_FLAGS }, options), columns: WEBHOOK_COLUMNS },
      options,
    ),
  );
}

interface CreateOptions extends ConnectedOptions {
  readonly name: string;
  readonly endpoint: string;
  readonly events: string;
}

function addCreate(webhook: Command, run: CommandRun): void {
  const command = webhook
    .command('create')
    .description('create a webhook; its secret alone goes to standard output')
    .requiredOption('--name <text>', 'unique among the webhooks')
    .requiredOption('--endpoint <url>', 'where events are posted to')
    .requiredOption('--events <type,…>', 'what it is told of, such as finding.opened,finding.resolved');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(
    command,
    'synscope webhook create --name tickets --endpoint https://bots.example.com/synscope \\',
    '  --events finding.opened,finding.updated,finding.resolved',
  );
  command.action(async ({ name, endpoint, events, ...options }: CreateOptions) => {
    const body = { name, url: endpoint, events: events.split(',').map((event) => event.trim()) };
    const call = run.api(options).operations.POST(LIST, { body: body as WebhookBody });
    await writeSecret(run, await answerOf(call), options);
  });
}

async function writeSecret(
  run: CommandRun,
  created: { readonly id: string; readonly secret: string },
  options: ConnectedOptions,
): Promise<void> {
  if (options.output === 'json') return writeJson(run, created);
  await run.print(`${escapeText(created.secret)}\n`);
  await run.note(`shown this once; the id of the webhook is ${created.id}`);
}

function addEnabled(webhook: Command, run: CommandRun, verb: 'enable' | 'disable', enabled: boolean): void {
  const command = webhook.command(verb).argument('<id>').description(`${verb} a webhook`);
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, `synscope webhook ${verb} ${AN_ID}`);
  command.action(async (id: string, options: ConnectedOptions) => {
    const call = run
      .api(options)
      .operations.PATCH('/api/v1/webhooks/{id}', { params: { path: { id } }, body: { enabled } });
    const answer = await answerOf(call);
    if (options.output === 'json') return writeJson(run, answer);
    await run.print(renderTable(WEBHOOK_COLUMNS, [answer], run.surroundings.output));
  });
}

function addRotate(webhook: Command, run: CommandRun): void {
  const command = webhook
    .command('rotate-secret')
    .argument('<id>')
    .description('a new secret, which alone goes to standard output; the one before signs for a day more');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, `synscope webhook rotate-secret ${AN_ID}`);
  command.action(async (id: string, options: ConnectedOptions) => {
    const call = run
      .api(options)
      .operations.POST('/api/v1/webhooks/{id}/rotate-secret', { params: { path: { id } } });
    await writeSecret(run, await answerOf(call), options);
  });
}

function addTest(webhook: Command, run: CommandRun): void {
  const command = webhook
    .command('test')
    .argument('<id>')
    .description('send a test event; fails if it fails');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, `synscope webhook test ${AN_ID}`);
  command.action(async (id: string, options: ConnectedOptions) => {
    const call = run
      .api(options)
      .operations.POST('/api/v1/webhooks/{id}/test', { params: { path: { id }, query: { wait: WAIT } } });
    await writeDelivery(run, await answerOf(call), options);
  });
}

function addDeliveries(webhook: Command, run: CommandRun): void {
  const command = webhook
    .command('deliveries')
    .argument('<id>')
    .description('what was sent to a webhook and what came of it, newest first');
  addListFlags(addFlags(command, DELIVERIES_FLAGS));
  addExample(command, `synscope webhook deliveries ${AN_ID} --state pending,failed`);
  command.action((id: string, options: ListOptions) =>
    writeList(
      run,
      {
        path: DELIVERIES,
        id,
        query: valuesOf({ ...DELIVERIES_FLAGS, ...PAGE_FLAGS }, options),
        columns: DELIVERY_COLUMNS,
      },
      options,
    ),
  );
}

function addRedeliver(webhook: Command, run: CommandRun): void {
  const command = webhook
    .command('redeliver')
    .argument('<id>')
    .argument('<delivery>')
    .description('deliver an event again; fails if the next attempt fails');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, `synscope webhook redeliver ${AN_ID} ${A_DELIVERY}`);
  command.action(async (id: string, deliveryId: string, options: ConnectedOptions) => {
    const call = run.api(options).operations.POST('/api/v1/webhooks/{id}/deliveries/{deliveryId}/redeliver', {
      params: { path: { id, deliveryId }, query: { wait: WAIT } },
    });
    await writeDelivery(run, await answerOf(call), options);
  });
}

function addDelete(webhook: Command, run: CommandRun): void {
  const command = webhook.command('delete').argument('<id>').description('delete a webhook and its log');
  addConnectionFlags(command);
  addExample(command, `synscope webhook delete ${AN_ID}`);
  command.action(async (id: string, options: ConnectedOptions) => {
    await run.api(options).operations.DELETE('/api/v1/webhooks/{id}', { params: { path: { id } } });
    await run.note(`deleted ${id}`);
  });
}

async function writeDelivery(run: CommandRun, delivery: Delivery, options: ConnectedOptions): Promise<void> {
  if (delivery.state !== 'delivered') run.exitStatus = 1;
  if (options.output === 'json') return writeJson(run, delivery);
  await run.print(renderTable(DELIVERY_COLUMNS, [delivery], run.surroundings.output));
}

const WEBHOOK_COLUMNS: readonly Column<Webhook>[] = [
  { heading: 'ID', text: ({ id }) => id },
  { heading: 'NAME', text: ({ name }) => name, mayBeCut: true },
  {
    heading: 'ENABLED',
    text: ({ enabled }) => (enabled ? 'yes' : 'no'),
    tone: ({ enabled }) => (enabled ? undefined : 'doubtful'),
  },
  { heading: 'PENDING', text: ({ pendingDeliveries }) => String(pendingDeliveries), align: 'right' },
  {
    heading: 'FAILING SINCE',
    text: ({ failingSince }) => timeText(failingSince),
    tone: ({ failingSince }) => (failingSince === null ? undefined : 'bad'),
  },
  { heading: 'EVENTS', text: ({ events }) => events.join(','), mayBeCut: true },
  { heading: 'URL', text: ({ url }) => plainText(url), mayBeCut: true },
];

const DELIVERY_COLUMNS: readonly Column<Delivery>[] = [
  { heading: 'ID', text: ({ id }) => id },
  { heading: 'EVENT', text: ({ eventType }) => eventType },
  {
    heading: 'STATE',
    text: ({ state }) => state,
    tone: ({ state }) => (state === 'delivered' ? 'good' : state === 'failed' ? 'bad' : 'doubtful'),
  },
  { heading: 'ATTEMPTS', text: ({ attempts }) => String(attempts.at(-1)?.number ?? 0), align: 'right' },
  { heading: 'STATUS', text: ({ attempts }) => plainText(attempts.at(-1)?.status), align: 'right' },
  {
    heading: 'TOOK',
    text: ({ attempts }) => latencyText(attempts.at(-1)?.latencyUs ?? null),
    align: 'right',
  },
  { heading: 'NEXT', text: ({ nextAttemptAt }) => timeText(nextAttemptAt) },
  { heading: 'ERROR', text: ({ attempts }) => plainText(attempts.at(-1)?.error) },
];
