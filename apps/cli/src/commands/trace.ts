import type { Command } from 'commander';
import { answerOf } from '../api/api-client.js';
import type { CommandRun } from '../command-run.js';
import type { components } from '../gen/openapi.js';
import type { Column } from '../output/table.js';
import { renderTable } from '../output/table.js';
import { plainText, timeText } from '../output/values.js';
import { writeJson, writeList } from '../output/write-list.js';
import {
  addConnectionFlags,
  addExample,
  addFlags,
  addListFlags,
  addOutputFlag,
  type ConnectedOptions,
  type Flags,
  type ListOptions,
  PAGE_FLAGS,
  valuesOf,
} from './flags.js';
import { addSessionFlags, sessionBody } from './session-flags.js';
import { awaitTargets } from './session-progress.js';
import { addTraceWatch } from './trace-watch.js';

type TraceSession = components['schemas']['TraceSession'];
type DryRun = components['schemas']['TraceSessionDryRun'];

const LIST = '/api/v1/trace-sessions';
const TARGETS = '/api/v1/trace-sessions/{id}/targets';
const STATE_FLAG = { state: ['<state,…>', 'in these states only'] } satisfies Flags<string>;

export function addTrace(program: Command, run: CommandRun): void {
  const trace = program.command('trace').description('start, stop and watch trace sessions');
  addExample(
    trace,
    'synscope trace start --selector env=prod --wait',
    'synscope trace watch 0198c0de-0000-7000-8000-0000000000aa',
  );
  addStart(trace, run);
  addStop(trace, run);
  addList(trace, run);
  addTargets(trace, run);
  addTraceWatch(trace, run);
}

interface StartOptions extends ConnectedOptions {
  readonly wait?: boolean;
  readonly dryRun?: boolean;
  readonly idempotencyKey?: string;
}

function addStart(trace: Command, run: CommandRun): void {
  const command = trace.command('start').description('start a session on all agents that match');
  addSessionFlags(command);
  command
    .option('--wait', 'until every online agent runs it or has failed, a minute at most; fails if one has')
    .option('--dry-run', 'start nothing; show who would be matched')
    .option('--idempotency-key <text>', 'the same key and session again answer as the first time');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(
    command,
    'synscope trace start --selector env=prod --min-latency-ms 20 --duration-seconds 300 --wait',
    'synscope trace start --probes dns --query-name-suffixes example.com --dry-run',
  );
  command.action(async (options: StartOptions) => {
    const api = run.api(options);
    const header = options.idempotencyKey === undefined ? {} : { 'Idempotency-Key': options.idempotencyKey };
    const created = await answerOf(
      api.operations.POST('/api/v1/trace-sessions', {
        params: { query: options.dryRun ? { dryRun: true } : {}, header },
        body: sessionBody(options),
      }),
    );
    if ('dryRun' in created) return writeDryRun(run, created, options);
    const session = options.wait ? await awaitTargets(run, api, created) : created;
    await writeSession(run, session, options);
    if (options.wait && (session.targets.failed > 0 || session.targets.pending > 0)) run.exitStatus = 1;
  });
}

async function writeDryRun(run: CommandRun, dryRun: DryRun, { output }: ConnectedOptions): Promise<void> {
  if (output === 'json') return writeJson(run, dryRun);
  const columns: readonly Column<DryRun['agents'][number]>[] = [
    { heading: 'ID', text: ({ agentId }) => agentId },
    { heading: 'HOST', text: ({ hostname }) => hostname, mayBeCut: true },
    { heading: 'STATUS', text: ({ status }) => status },
  ];
  if (dryRun.agents.length > 0) await run.print(renderTable(columns, dryRun.agents, run.surroundings.output));
  const { matched, online, offline } = dryRun.targets;
  await run.note(`agents that match: ${matched} (${online} online, ${offline} offline); nothing was started`);
}

interface StopOptions extends ConnectedOptions {
  readonly wait?: string;
}

function addStop(trace: Command, run: CommandRun): void {
  const command = trace.command('stop').argument('<id>').description('end a session on all agents');
  command.option(
    '--wait <time>',
    'until it has ended and its records have arrived, such as 30s (60s at most)',
  );
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, 'synscope trace stop 0198c0de-0000-7000-8000-0000000000aa --wait 30s');
  command.action(async (id: string, options: StopOptions) => {
    const query = options.wait === undefined ? {} : { wait: options.wait };
    const session = await answerOf(
      run
        .api(options)
        .operations.POST('/api/v1/trace-sessions/{id}/stop', { params: { path: { id }, query } }),
    );
    await writeSession(run, session, options);
  });
}

function addList(trace: Command, run: CommandRun): void {
  const command = trace.command('list').description('list sessions, newest first');
  addListFlags(addFlags(command, STATE_FLAG));
  addExample(command, 'synscope trace list --state pending,running');
  command.action((options: ListOptions) =>
    writeList(
      run,
      { path: LIST, query: valuesOf({ ...STATE_FLAG, ...PAGE_FLAGS }, options), columns: SESSION_COLUMNS },
      options,
    ),
  );
}

function addTargets(trace: Command, run: CommandRun): void {
  const command = trace
    .command('targets')
    .argument('<id>')
    .description('what each agent makes of a session: its state, its error');
  addListFlags(addFlags(command, STATE_FLAG));
  addExample(
    command,
    'synscope trace targets 0198c0de-0000-7000-8000-0000000000aa --state failed --fail-if-any',
  );
  command.action((id: string, options: ListOptions) =>
    writeList(
      run,
      {
        path: TARGETS,
        id,
        query: valuesOf({ ...STATE_FLAG, ...PAGE_FLAGS }, options),
        columns: [
          { heading: 'AGENT', text: ({ agentId }) => agentId },
          { heading: 'HOST', text: ({ hostname }) => hostname, mayBeCut: true },
          {
            heading: 'STATE',
            text: ({ state }) => state,
            tone: ({ state }) => (state === 'failed' ? 'bad' : state === 'running' ? 'good' : undefined),
          },
          { heading: 'RECORDS', text: ({ recordCount }) => String(recordCount), align: 'right' },
          { heading: 'ERROR', text: ({ error }) => plainText(error) },
        ],
      },
      options,
    ),
  );
}

async function writeSession(
  run: CommandRun,
  session: TraceSession,
  options: ConnectedOptions,
): Promise<void> {
  if (options.output === 'json') return writeJson(run, session);
  await run.print(renderTable(SESSION_COLUMNS, [session], run.surroundings.output));
  if (session.message !== null) await run.note(session.message);
  if (session.targets.failed > 0) {
    await run.note(
      `agents that failed: ${session.targets.failed}; synscope trace targets ${session.id} --state failed says why`,
    );
  }
}

const SESSION_COLUMNS: readonly Column<TraceSession>[] = [
  { heading: 'ID', text: ({ id }) => id },
  { heading: 'NAME', text: ({ name }) => plainText(name), mayBeCut: true },
  {
    heading: 'STATE',
    text: ({ state }) => state,
    tone: ({ state }) => (state === 'failed' ? 'bad' : state === 'running' ? 'good' : undefined),
  },
  { heading: 'RUNNING', text: ({ targets }) => `${targets.running}/${targets.matched}`, align: 'right' },
  {
    heading: 'FAILED',
    text: ({ targets }) => String(targets.failed),
    align: 'right',
    tone: ({ targets }) => (targets.failed > 0 ? 'bad' : undefined),
  },
  {
    heading: 'RECORDS',
    text: ({ recordCounts }) =>
      String(Object.values(recordCounts).reduce<number>((sum, n) => sum + (n ?? 0), 0)),
    align: 'right',
  },
  { heading: 'CREATED', text: ({ createdAt }) => timeText(createdAt) },
  { heading: 'ENDS', text: ({ endsAt, endedAt }) => timeText(endedAt ?? endsAt) },
];
