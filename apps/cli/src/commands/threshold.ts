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
  type Flags,
  type FlagValues,
  type ListOptions,
  PAGE_FLAGS,
  valuesOf,
} from './flags.js';
import { numberOf } from './session-flags.js';

type Threshold = components['schemas']['Threshold'];
type ThresholdBody = components['schemas']['ThresholdCreate'];
type ThresholdChange = components['schemas']['ThresholdUpdate'];
type ThresholdFilter = components['schemas']['ThresholdFilter'];

const LIST = '/api/v1/thresholds';
const LIST_FLAGS = {
  name: ['<text>', 'with exactly this name'],
  state: ['<state,…>', 'that stand so: ok, exceeded'],
} satisfies FilterFlags<typeof LIST>;
/** What can be set and changed later. */
const SETTING_FLAGS = {
  percentile: ['<p>', 'of a latency: p50, p90, p99 (unless set), max'],
  aboveMs: ['<ms>', 'of a latency: above so many milliseconds'],
  aboveRatio: ['<ratio>', 'of a failure ratio: above this, 0 to 1'],
  forMinutes: ['<n>', 'in so many minutes in a row (5 unless set)'],
  minCount: ['<n>', 'a minute with fewer records says nothing (10 unless set)'],
} satisfies Flags<Exclude<keyof ThresholdChange, 'name' | 'filter' | 'enabled'>>;
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
  addUpdate(threshold, run);
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

type SettingOptions = ConnectedOptions &
  FlagValues<typeof FILTER_FLAGS> &
  FlagValues<typeof SETTING_FLAGS> & { readonly name?: string };

function addCreate(threshold: Command, run: CommandRun): void {
  const command = threshold
    .command('create')
    .description('create a threshold; what webhooks are told of when it is exceeded')
    .requiredOption('--name <text>', 'unique among the thresholds')
    .option(
      '--metric <metric>',
      'handshake_latency (default), dns_latency, handshake_failure_ratio, dns_failure_ratio',
      'handshake_latency',
    );
  addFlags(command, SETTING_FLAGS);
  addFlags(command, FILTER_FLAGS);
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(
    command,
    "synscope threshold create --name 'database connects' --remote-port 5432 --above-ms 50 --for-minutes 5",
  );
  command.action(async (options: SettingOptions & { readonly metric: string }) => {
    const body = { ...settingsOf(options), metric: options.metric, filter: filterOf(options) };
    const call = run.api(options).operations.POST(LIST, { body: body as ThresholdBody });
    await writeThreshold(run, await answerOf(call), options);
  });
}

function addUpdate(threshold: Command, run: CommandRun): void {
  const command = threshold
    .command('update')
    .argument('<id>')
    .description('change a threshold; what is not named stays as it is, and a filter is replaced as a whole')
    .option('--name <text>', 'unique among the thresholds')
    .option('--enable', 'look at it again')
    .option('--disable', 'look at it no more');
  addFlags(command, SETTING_FLAGS);
  addFlags(command, FILTER_FLAGS);
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, `synscope threshold update ${AN_ID} --above-ms 80 --for-minutes 10`);
  command.action(
    async (
      id: string,
      options: SettingOptions & { readonly enable?: boolean; readonly disable?: boolean },
    ) => {
      if (options.enable && options.disable)
        throw new CliError('--enable and --disable exclude one another', 2);
      const filter = filterOf(options);
      const body = {
        ...settingsOf(options),
        ...(Object.keys(filter).length > 0 && { filter }),
        ...((options.enable || options.disable) && { enabled: options.enable === true }),
      };
      const call = run.api(options).operations.PATCH('/api/v1/thresholds/{id}', {
        params: { path: { id } },
        body: body as ThresholdChange,
      });
      await writeThreshold(run, await answerOf(call), options);
    },
  );
}

function settingsOf({ name, percentile, aboveMs, aboveRatio, forMinutes, minCount }: SettingOptions) {
  return {
    ...(name !== undefined && { name }),
    ...(percentile !== undefined && { percentile }),
    ...numbersOf({ aboveMs, aboveRatio, forMinutes, minCount }),
  };
}

function filterOf(options: SettingOptions) {
  const { remotePort, localPort, ...filter } = valuesOf(FILTER_FLAGS, options);
  return { ...filter, ...numbersOf({ remotePort, localPort }) };
}

async function writeThreshold(
  run: CommandRun,
  threshold: Threshold,
  options: ConnectedOptions,
): Promise<void> {
  if (options.output === 'json') return writeJson(run, threshold);
  await run.print(renderTable(THRESHOLD_COLUMNS, [threshold], run.surroundings.output));
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
