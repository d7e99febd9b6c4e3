import type { Command } from 'commander';
import { answerOf } from '../api/api-client.js';
import { CliError } from '../cli-error.js';
import type { CommandRun } from '../command-run.js';
import type { components } from '../gen/openapi.js';
import { escapeText } from '../output/escape.js';
import { labelsText, plainText, timeText } from '../output/values.js';
import { writeJson, writeList } from '../output/write-list.js';
import {
  addConnectionFlags,
  addExample,
  addListFlags,
  addOutputFlag,
  type ConnectedOptions,
  type ListOptions,
  PAGE_FLAGS,
  valuesOf,
} from './flags.js';
import { numberOf } from './session-flags.js';

type Role = components['schemas']['Role'];

const API_TOKENS = '/api/v1/api-tokens';
const JOIN_TOKENS = '/api/v1/join-tokens';

export function addToken(program: Command, run: CommandRun): void {
  const token = program
    .command('token')
    .description('API tokens (api), and tokens by which agents join (join)');
  addExample(token, 'synscope token api create --name bot --role operator');
  const api = token.command('api').description('tokens of people and scripts');
  addExample(api, 'synscope token api list');
  addApiCreate(api, run);
  addApiList(api, run);
  addRevoke(api, run, API_TOKENS);
  const join = token.command('join').description('tokens by which agents join');
  addExample(join, "synscope token join create --name 'web tier' --max-uses 100");
  addJoinCreate(join, run);
  addJoinList(join, run);
  addRevoke(join, run, JOIN_TOKENS);
}

interface ApiCreateOptions extends ConnectedOptions {
  readonly name: string;
  readonly role: string;
  readonly expiresAt?: string;
}

function addApiCreate(api: Command, run: CommandRun): void {
  const command = api
    .command('create')
    .description('create an API token; its secret alone goes to standard output')
    .requiredOption('--name <text>', 'who or what uses it')
    .requiredOption('--role <role>', 'viewer, operator or admin')
    .option('--expires-at <time>', 'RFC 3339 (default: never)');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, 'SYNSCOPE_TOKEN=$(synscope token api create --name bot --role operator)');
  command.action(async ({ name, role, expiresAt, ...options }: ApiCreateOptions) => {
    const body = { name, role: role as Role, expiresAt: expiresAt ?? null };
    await writeCreated(run, await answerOf(run.api(options).operations.POST(API_TOKENS, { body })), options);
  });
}

interface JoinCreateOptions extends ConnectedOptions {
  readonly name: string;
  readonly label?: readonly string[];
  readonly maxUses?: string;
  readonly expiresInSeconds?: string;
}

function addJoinCreate(join: Command, run: CommandRun): void {
  const command = join
    .command('create')
    .description('create a join token; its secret alone goes to standard output')
    .requiredOption('--name <text>', 'what it is for')
    .option(
      '--label <key=value>',
      'label of every agent that joins with it; may be given several times',
      collect,
    )
    .option('--max-uses <n>', 'how many agents may join with it (default: 1)')
    .option('--expires-in-seconds <s>', 'seconds until it no longer works (default: 86400)');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, "synscope token join create --name 'web tier' --label role=web --max-uses 100");
  command.action(async ({ name, label = [], maxUses, expiresInSeconds, ...options }: JoinCreateOptions) => {
    const body = {
      name,
      labels: Object.fromEntries(label.map(labelOf)),
      ...(maxUses !== undefined && { maxUses: numberOf(maxUses, 'maxUses') }),
      ...(expiresInSeconds !== undefined && {
        expiresInSeconds: numberOf(expiresInSeconds, 'expiresInSeconds'),
      }),
    };
    await writeCreated(run, await answerOf(run.api(options).operations.POST(JOIN_TOKENS, { body })), options);
  });
}

function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

function labelOf(pair: string): [string, string] {
  const equals = pair.indexOf('=');
  if (equals < 1) throw new CliError(`--label: ${JSON.stringify(pair)} is no label; write key=value`, 2);
  return [pair.slice(0, equals), pair.slice(equals + 1)];
}

async function writeCreated(
  run: CommandRun,
  created: { readonly id: string; readonly token: string; readonly expiresAt: string | null },
  options: ConnectedOptions,
): Promise<void> {
  if (options.output === 'json') return writeJson(run, created);
  await run.print(`${escapeText(created.token)}\n`);
  const expiry = created.expiresAt === null ? 'does not expire' : `expires ${timeText(created.expiresAt)}`;
  await run.note(`shown this once; its id is ${created.id}; ${expiry}`);
}

function addApiList(api: Command, run: CommandRun): void {
  const command = addListFlags(api.command('list').description('list API tokens, without their secrets'));
  addExample(command, 'synscope token api list -o json');
  command.action((options: ListOptions) =>
    writeList(
      run,
      {
        path: API_TOKENS,
        query: valuesOf(PAGE_FLAGS, options),
        columns: [
          { heading: 'ID', text: ({ id }) => id },
          { heading: 'NAME', text: ({ name }) => name, mayBeCut: true },
          { heading: 'ROLE', text: ({ role }) => role },
          { heading: 'CREATED', text: ({ createdAt }) => timeText(createdAt) },
          { heading: 'EXPIRES', text: ({ expiresAt }) => timeText(expiresAt) },
          { heading: 'USED', text: ({ lastUsedAt }) => timeText(lastUsedAt) },
        ],
      },
      options,
    ),
  );
}

function addJoinList(join: Command, run: CommandRun): void {
  const command = addListFlags(join.command('list').description('list join tokens, without their secrets'));
  addExample(command, 'synscope token join list');
  command.action((options: ListOptions) =>
    writeList(
      run,
      {
        path: JOIN_TOKENS,
        query: valuesOf(PAGE_FLAGS, options),
        columns: [
          { heading: 'ID', text: ({ id }) => id },
          { heading: 'NAME', text: ({ name }) => name, mayBeCut: true },
          { heading: 'USES', text: ({ uses, maxUses }) => `${uses}/${maxUses}`, align: 'right' },
          { heading: 'CREATED', text: ({ createdAt }) => timeText(createdAt) },
          { heading: 'EXPIRES', text: ({ expiresAt }) => timeText(expiresAt) },
          { heading: 'LABELS', text: ({ labels }) => plainText(labelsText(labels)), mayBeCut: true },
        ],
      },
      options,
    ),
  );
}

function addRevoke(parent: Command, run: CommandRun, path: typeof API_TOKENS | typeof JOIN_TOKENS): void {
  const command = addConnectionFlags(
    parent.command('revoke').argument('<id>').description('revoke a token: it works no longer'),
  );
  addExample(command, `synscope token ${parent.name()} revoke 0198c0de-0000-7000-8000-0000000000aa`);
  command.action(async (id: string, options: ConnectedOptions) => {
    await run.api(options).operations.DELETE(`${path}/{id}`, { params: { path: { id } } });
    await run.note(`revoked ${id}`);
  });
}
