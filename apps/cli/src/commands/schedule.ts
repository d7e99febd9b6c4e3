import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { answerOf } from '../api/api-client.js';
import { CliError } from '../cli-error.js';
import type { CommandRun } from '../command-run.js';
import type { components } from '../gen/openapi.js';
import { type Column, renderTable } from '../output/table.js';
import { plainText, timeText } from '../output/values.js';
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
import { numberOf } from './session-flags.js';

type Schedule = components['schemas']['Schedule'];
type ScheduleBody = components['schemas']['ScheduleCreate'];
type ScheduleRun = components['schemas']['ScheduleRun'];

const LIST = '/api/v1/schedules';
const RUNS = '/api/v1/schedules/{id}/runs';
const LIST_FLAGS = { name: ['<text>', 'with exactly this name'] } satisfies FilterFlags<typeof LIST>;
const RUNS_FLAGS = {
  outcome: ['<outcome,…>', 'that ended so: started, skipped, missed, failed'],
} satisfies FilterFlags<typeof RUNS>;
const AN_ID = '0198c0de-0000-7000-8000-0000000000aa';

export function addSchedule(program: Command, run: CommandRun): void {
  const schedule = program.command('schedule').description('trace sessions that start by themselves');
  addExample(schedule, 'synscope schedule list', `synscope schedule trigger ${AN_ID}`);
  addList(schedule, run);
  addCreate(schedule, run);
  addPaused(schedule, run, 'pause', true);
  addPaused(schedule, run, 'resume', false);
  addTrigger(schedule, run);
  addRuns(schedule, run);
  addDelete(schedule, run);
}

function addList(schedule: Command, run: CommandRun): void {
  const command = schedule.command('list').description('list schedules with their next runs');
  addListFlags(addFlags(command, LIST_FLAGS));
  addExample(command, 'synscope schedule list');
  command.action((options: ListOptions) =>
    writeList(
      run,
      {
        path: LIST,
        query: valuesOf({ ...LIST_FLAGS, ...PAGE_FLAGS }, options),
        columns: SCHEDULE_COLUMNS,
      },
      options,
    ),
  );
}

interface CreateOptions extends ConnectedOptions {
  readonly name: string;
  readonly session: string;
  readonly cron?: string;
  readonly everySeconds?: string;
  readonly timezone?: string;
  readonly jitterSeconds?: string;
  readonly overlap?: string;
  readonly catchUpSeconds?: string;
  readonly paused?: boolean;
}

function addCreate(schedule: Command, run: CommandRun): void {
  const command = schedule
    .command('create')
    .description('create a schedule')
    .requiredOption('--name <text>', 'unique among the schedules')
    .requiredOption(
      '--session <file>',
      'the body of POST /trace-sessions as JSON; - reads it from standard input',
    )
    .option('--cron <expression>', 'five fields, such as "0 3 * * *", or @hourly, @daily, …')
    .option('--every-seconds <s>', 'instead of --cron')
    .option('--timezone <zone>', 'whose clock --cron goes by, such as Europe/Berlin (default: UTC)')
    .option('--jitter-seconds <s>', 'each run starts up to so many seconds later')
    .option('--overlap <rule>', 'while an earlier session is open: skip (default), allow, replace')
    .option('--catch-up-seconds <s>', 'how late a run may still start (default: 60)')
    .option('--paused', 'nothing is due until it is resumed');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(
    command,
    `echo '{"probes": ["dns"], "durationSeconds": 300}' |`,
    "  synscope schedule create --name nightly --cron '0 3 * * *' --timezone Europe/Berlin --session -",
  );
  command.action(async (options: CreateOptions) => {
    const { name, session, cron, timezone, overlap, paused } = options;
    const body = {
      name,
      session: sessionOf(session),
      ...definedOnly({ cron, timezone, overlap, paused }),
      ...numbersOf(options, ['everySeconds', 'jitterSeconds', 'catchUpSeconds']),
    };
    const call = run.api(options).operations.POST(LIST, { body: body as ScheduleBody });
    await writeSchedule(run, await answerOf(call), options);
  });
}

function sessionOf(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (error) {
    throw new CliError(`--session ${file}: ${(error as Error).message}`, 2);
  }
}

function definedOnly(values: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function numbersOf(options: object, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const text: unknown = Reflect.get(options, name);
      return typeof text === 'string' ? [[name, numberOf(text, name)] as const] : [];
    }),
  );
}

function addPaused(schedule: Command, run: CommandRun, verb: 'pause' | 'resume', paused: boolean): void {
  const command = schedule.command(verb).argument('<id>').description(`${verb} a schedule`);
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, `synscope schedule ${verb} ${AN_ID}`);
  command.action(async (id: string, options: ConnectedOptions) => {
    const call = run
      .api(options)
      .operations.PATCH('/api/v1/schedules/{id}', { params: { path: { id } }, body: { paused } });
    await writeSchedule(run, await answerOf(call), options);
  });
}

function addTrigger(schedule: Command, run: CommandRun): void {
  const command = schedule
    .command('trigger')
    .argument('<id>')
    .description('run a schedule now; fails if no session was started');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, `synscope schedule trigger ${AN_ID}`);
  command.action(async (id: string, options: ConnectedOptions) => {
    const call = run
      .api(options)
      .operations.POST('/api/v1/schedules/{id}/trigger', { params: { path: { id } } });
    const answer = await answerOf(call);
    if (answer.outcome !== 'started') run.exitStatus = 1;
    if (options.output === 'json') return writeJson(run, answer);
    await run.print(renderTable(RUN_COLUMNS, [answer], run.surroundings.output));
  });
}

function addRuns(schedule: Command, run: CommandRun): void {
  const command = schedule
    .command('runs')
    .argument('<id>')
    .description('the runs of a schedule, latest first');
  addListFlags(addFlags(command, RUNS_FLAGS));
  addExample(command, `synscope schedule runs ${AN_ID} --outcome failed,missed --fail-if-any`);
  command.action((id: string, options: ListOptions) =>
    writeList(
      run,
      { path: RUNS, id, query: valuesOf({ ...RUNS_FLAGS, ...PAGE_FLAGS }, options), columns: RUN_COLUMNS },
      options,
    ),
  );
}

function addDelete(schedule: Command, run: CommandRun): void {
  const command = schedule
    .command('delete')
    .argument('<id>')
    .description('delete a schedule and its history; its sessions stay');
  addConnectionFlags(command);
  addExample(command, `synscope schedule delete ${AN_ID}`);
  command.action(async (id: string, options: ConnectedOptions) => {
    await run.api(options).operations.DELETE('/api/v1/schedules/{id}', { params: { path: { id } } });
    await run.note(`deleted ${id}`);
  });
}

async function writeSchedule(run: CommandRun, schedule: Schedule, options: ConnectedOptions): Promise<void> {
  if (options.output === 'json') return writeJson(run, schedule);
  await run.print(renderTable(SCHEDULE_COLUMNS, [schedule], run.surroundings.output));
}

const SCHEDULE_COLUMNS: readonly Column<Schedule>[] = [
  { heading: 'ID', text: ({ id }) => id },
  { heading: 'NAME', text: ({ name }) => name, mayBeCut: true },
  {
    heading: 'WHEN',
    text: ({ cron, everySeconds, timezone }) =>
      cron === null ? `every ${everySeconds} s` : `${cron} ${timezone}`,
  },
  {
    heading: 'PAUSED',
    text: ({ paused }) => (paused ? 'yes' : 'no'),
    tone: ({ paused }) => (paused ? 'doubtful' : undefined),
  },
  { heading: 'OVERLAP', text: ({ overlap }) => overlap },
  { heading: 'NEXT', text: ({ nextRuns }) => timeText(nextRuns[0] ?? null) },
];

const RUN_COLUMNS: readonly Column<ScheduleRun>[] = [
  { heading: 'DUE', text: ({ dueAt }) => timeText(dueAt) },
  { heading: 'TRIGGER', text: ({ trigger }) => trigger },
  {
    heading: 'OUTCOME',
    text: ({ outcome }) => outcome,
    tone: ({ outcome }) => (outcome === 'started' ? 'good' : outcome === 'skipped' ? 'doubtful' : 'bad'),
  },
  { heading: 'SESSION', text: ({ sessionId }) => plainText(sessionId) },
  { heading: 'STATE', text: ({ session }) => plainText(session?.state) },
  { heading: 'ERROR', text: ({ error }) => plainText(error) },
];
