import type { Command } from 'commander';
import type { ItemOf } from '../api/api-client.js';
import type { CommandRun } from '../command-run.js';
import type { Column } from '../output/table.js';
import { endpointText, latencyText, plainText, timeText } from '../output/values.js';
import { writeAnswer, writeList } from '../output/write-list.js';
import {
  addConnectionFlags,
  addExample,
  addFailIfAny,
  addFlags,
  addListFlags,
  addOutputFlag,
  type FilterFlags,
  type Flags,
  type ListOptions,
  PAGE_FLAGS,
  RECORD_FLAGS,
  valuesOf,
} from './flags.js';

const LIST = '/api/v1/dns-queries';
const SUMMARY = '/api/v1/dns-queries/summary';

const FLAGS = {
  ...RECORD_FLAGS,
  outcome: ['<outcome,…>', 'that ended so: answered, late, unanswered'],
  queryName: ['<name,…>', 'for these names'],
  queryNameSuffix: ['<name,…>', 'for these names and all below them'],
  queryType: ['<type,…>', 'of these types, such as AAAA or TYPE65'],
  responseCode: ['<code,…>', 'answered with, such as SERVFAIL'],
  serverAddress: ['<address>', 'to this server, an address or prefix'],
  clientAddress: ['<address>', 'from this client, an address or prefix'],
  side: ['<side,…>', 'seen by the client, the resolver, or both'],
  transport: ['<protocol,…>', 'by udp, tcp, or both'],
  lookupId: ['<id>', 'of this lookup; give --agent-id too'],
} satisfies FilterFlags<typeof LIST>;

const SUMMARY_FLAGS = {
  groupBy: ['<key,…>', 'grouped by these, such as queryNameSuffix,responseCode'],
  order: ['<order>', 'largest first: -count, -failed, -p50, -p90, -p99, -max, -mean'],
  suffixLabels: ['<n>', 'how many labels a queryNameSuffix has'],
  limit: ['<n>', 'how many groups at most, 1 to 1000 (default: 100)'],
} satisfies Flags<string>;
/** Whose queries are slow. */
const SUMMARY_DEFAULTS = { groupBy: 'queryName,serverAddress', order: '-p99' };

export function addDns(program: Command, run: CommandRun): void {
  const dns = program.command('dns').description('slow DNS: by name and server (default), or query by query');
  addExample(dns, 'synscope dns --since 24h', 'synscope dns list --outcome unanswered');
  const summary = dns
    .command('summary', { isDefault: true })
    .description('queries grouped by name and server, largest 99th percentile first');
  addFlags(addFlags(summary, FLAGS), SUMMARY_FLAGS);
  addFailIfAny(addConnectionFlags(addOutputFlag(summary)));
  addExample(
    summary,
    'synscope dns --since 1h --query-name-suffix example.com',
    'synscope dns --group-by serverAddress',
  );
  summary.action(async (options: ListOptions) => {
    const query = { ...SUMMARY_DEFAULTS, ...valuesOf({ ...FLAGS, ...SUMMARY_FLAGS }, options) };
    const listing = { path: SUMMARY, query, columns: summaryColumns(query.groupBy) } as const;
    if ((await writeAnswer(run, listing, options)) && options.failIfAny) run.exitStatus = 1;
  });

  const list = dns.command('list').description('the slowest queries');
  addListFlags(addFlags(list, FLAGS));
  addExample(list, 'synscope dns list --outcome unanswered,late --since 15m --fail-if-any');
  list.action((options: ListOptions) =>
    writeList(
      run,
      {
        path: LIST,
        query: { ...valuesOf({ ...FLAGS, ...PAGE_FLAGS }, options), order: '-latencyUs' },
        columns: QUERY_COLUMNS,
      },
      options,
    ),
  );
}

const QUERY_COLUMNS: readonly Column<ItemOf<typeof LIST>>[] = [
  { heading: 'LATENCY', text: ({ latencyUs }) => latencyText(latencyUs), align: 'right' },
  {
    heading: 'OUTCOME',
    text: ({ outcome }) => outcome,
    tone: ({ outcome }) => (outcome === 'answered' ? undefined : 'bad'),
  },
  { heading: 'CODE', text: ({ responseCode }) => plainText(responseCode) },
  { heading: 'TYPE', text: ({ queryType }) => queryType },
  { heading: 'NAME', text: ({ queryName }) => queryName, mayBeCut: true },
  { heading: 'SERVER', text: ({ server }) => endpointText(server) },
  { heading: 'SIDE', text: ({ side }) => side },
  { heading: 'HOST', text: ({ hostname }) => plainText(hostname), mayBeCut: true },
  { heading: 'PROCESS', text: ({ process }) => plainText(process.name) },
  { heading: 'OBSERVED', text: ({ observedAt }) => timeText(observedAt) },
];

function summaryColumns(groupBy: string): readonly Column<ItemOf<typeof SUMMARY>>[] {
  const groups = groupBy.split(',').map(
    (key): Column<ItemOf<typeof SUMMARY>> => ({
      heading: key,
      text: ({ group }) => plainText(group[key]),
      mayBeCut: true,
    }),
  );
  const latencies = (['p50', 'p90', 'p99', 'max'] as const).map(
    (statistic): Column<ItemOf<typeof SUMMARY>> => ({
      heading: statistic.toUpperCase(),
      text: ({ latencyUs }) => latencyText(latencyUs[statistic]),
      align: 'right',
    }),
  );
  return [
    ...groups,
    { heading: 'QUERIES', text: ({ count }) => String(count), align: 'right' },
    {
      heading: 'FAILED',
      text: ({ failed }) => String(failed),
      align: 'right',
      tone: ({ failed }) => (failed > 0 ? 'bad' : undefined),
    },
    { heading: 'UNANSWERED', text: ({ unanswered }) => String(unanswered), align: 'right' },
    ...latencies,
  ];
}
