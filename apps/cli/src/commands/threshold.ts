import type { Command } from 'commander';
import { answerOf } from '../api/api-client.js';
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
  type Flags,
  type FlagValues,
  type ListOptions,
  PAGE_FLAGS,
  valuesOf,
} from './flags.js';
import { numberOf } from './session-flags.js';

type Threshold = components['schemas']['Threshold'];
type ThresholdBody = components['schemas']['ThresholdCreate'];
type ThresholdFilter = components['schemas']['ThresholdFilter'];

const LIST = '/api/v1/thresholds';
const LIST_FLAGS = {
  name: ['<text>', 'with exactly this name'],
  state: ['<state,…>', 'that stand so: ok, exceeded'],
} satisfies FilterFlags<typeof LIST>;
const FILTER_FLAGS = {
  selector: ['<selector>', 'observed by agents with such labels'],
  processName: ['<name>', 'of processes with this name'],
  role: ['<role>', 'handshakes: of the client (default) or the server'],
  remoteAddress: ['<address>', 'handshakes: to this address or prefix'],
  remotePort: ['<port>', 'handshakes: to this port'],
  localPort: ['<port>', 'handshakes: at this port of the host'],
  side: ['<side>', 'DNS: on the side of the client (default) or the resolver'],
  serverAddress: ['<address>', 'DNS: asked of this address or prefix'],
  queryName: ['<name>', 'DNS: for exactly this name'],
  queryNameSuffix: ['<name>', 'DNS: for this name and those below it'],
} satisfies Flags<keyof ThresholdFilter>;
const AN_ID = '0198c0de-0000-7000-8000-0000000000aa';

export function addThreshold(program: Command, run: CommandRun): void {
  const threshold = program
    .command('threshold')
    .description('latencies and shares of failures to be told of');
  addExample(threshold, 'synscope threshold list --state exceeded --fail-if-any');
  addList(threshold, run);
  addCreate(threshold, run);
  addDelete(threshold, run);
}

function addList(threshold: Command, run: CommandRun): void {
  const command = threshold.command('list').description('list thresholds with their last values');
  addListFlags(addFlags(command, LIST_FLAGS));
  addExample(command, 'synscope threshold list --state exceeded --fail-if-any');
  command.action((options: ListOptions) =>
    writeList(
      run,
      { path: LIST, query: valuesOf({ ...LIST_FLAGS, ...PAGE_FLAGS }, options), columns: THRESHOLD_COLUMNS },
      options,
    ),
  );
}

type CreateOptions = ConnectedOptions &
  FlagValues<typeof FILTER_FLAGS> & {
    readonly name: string;
    readonly metric: string;
    readonly percentile?: string;
    readonly aboveMs?: string;
    readonly aboveRatio?: string;
    readonly forMinutes?: string;
    readonly minCount?: string;
  };

function addCreate(threshold: Command, run: CommandRun): void {
  const command = threshold
    .command('create')
    .description('create a threshold; what webhooks are told of when it is exceeded')
    .requiredOption('--name <text>', 'unique among the thresholds')
    .option(
      '--metric <metric>',
      'handshake_latency (default), dns_latency, handshake_failure_ratio, dns_failure_ratio',
      'handshake_latency',
    )
    .option('--percentile <p>', 'of a latency: p50, p90, p99 (default), max')
    .option('--above-ms <ms>', 'of a latency: above so many milliseconds')
    .option('--above-ratio <ratio>', 'of a failure ratio: above this, 0 to 1')
    .option('--for-minutes <n>', 'in so many minutes in a row (default: 5)')
    .option('--min-count <n>', 'a minute with fewer records says nothing (default: 10)');
  addFlags(command, FILTER_FLAGS);
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(
    command,
    "synscope threshold create --name 'database connects' --remote-port 5432 --above-ms 50 --for-minutes 5",
  );
  command.action(async (options: CreateOptions) => {
    const { name, metric, percentile } = options;
    const { remotePort, localPort, ...filter } = valuesOf(FILTER_FLAGS, options);
    const body = {
      name,
      metric,
      ...(percentile !== undefined && { percentile }),
      ...numbersOf({
        aboveMs: options.aboveMs,
        aboveRatio: options.aboveRatio,
        forMinutes: options.forMinutes,
        minCount: options.minCount,
      }),
      filter: { ...filter, ...numbersOf({ remotePort, localPort }) },
    };
    const call = run.api(options).operations.POST(LIST, { body: body as ThresholdBody });
    const answer = await answerOf(call);
    if (options.output === 'json') return writeJson(run, answer);
    await run.print(renderTable(THRESHOLD_COLUMNS, [answer], run.surroundings.output));
  });
}

function numbersOf(texts: Readonly<Record<string, string | undefined>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(texts).flatMap(([name, text]) =>
      text === undefined ? [] : [[name, numberOf(text, name)] as const],
    ),
  );
}

function addDelete(threshold: Command, run: CommandRun): void {
  const command = threshold.command('delete').argument('<id>').description('delete a threshold');
  addConnectionFlags(command);
  addExample(command, `synscope threshold delete ${AN_ID}`);
  command.action(async (id: string, options: ConnectedOptions) => {
    await run.api(options).operations.DELETE('/api/v1/thresholds/{id}', { params: { path: { id } } });
    await run.note(`deleted ${id}`);
  });
}

const THRESHOLD_COLUMNS: readonly Column<Threshold>[] = [
  { heading: 'ID', text: ({ id }) => id },
  { heading: 'NAME', text: ({ name }) => name, mayBeCut: true },
  {
    heading: 'METRIC',
    text: ({ metric, percentile }) => `${metric}${percentile === null ? '' : ` ${percentile}`}`,
  },
  {
    heading: 'ABOVE',
    text: ({ aboveMs, aboveRatio, forMinutes }) =>
      `${aboveMs === null ? aboveRatio : `${aboveMs} ms`} for ${forMinutes} min`,
  },
  {
    heading: 'STATE',
    text: ({ state }) => state,
    tone: ({ state }) => (state === 'ok' ? 'good' : 'bad'),
  },
  { heading: 'SINCE', text: ({ since }) => timeText(since) },
  { heading: 'LAST', text: ({ lastValue }) => plainText(lastValue), align: 'right' },
  { heading: 'RECORDS', text: ({ lastCount }) => plainText(lastCount), align: 'right' },
  { heading: 'ERROR', text: ({ lastError }) => plainText(lastError) },
];
