import type { Command } from 'commander';
import { answerOf } from '../api/api-client.js';
import type { CommandRun } from '../command-run.js';
import type { components } from '../gen/openapi.js';
import { type Column, renderTable } from '../output/table.js';
import { endpointText, plainText, timeText } from '../output/values.js';
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

type Finding = components['schemas']['Finding'];

const LIST = '/api/v1/findings';
const FLAGS = {
  state: ['<state,…>', 'in these states: open, acknowledged, resolved (default: open,acknowledged)'],
  code: ['<code,…>', 'with these codes, such as accept_queue_full'],
  severity: ['<severity,…>', 'so severe: info, warning, critical'],
  agentId: ['<id,…>', 'about hosts of these agents, or seen by them'],
  hostname: ['<name>', 'about the host with this name, or seen by it'],
  address: ['<address>', 'about this address or prefix'],
  port: ['<port,…>', 'about these ports'],
  name: ['<name>', 'about this domain name or process'],
  since: ['<time>', 'with evidence since: 90s, 15m, 24h, 7d ago or an RFC 3339 time'],
} satisfies FilterFlags<typeof LIST>;
/** What is over is not what a person asks for. */
const DEFAULTS = { state: 'open,acknowledged' };
const AN_ID = '0198c0de-0000-7000-8000-0000000000aa';

export function addFindings(program: Command, run: CommandRun): void {
  const findings = program
    .command('findings')
    .description('why handshakes and DNS are slow: causes with their evidence');
  addExample(findings, 'synscope findings', 'synscope findings list --severity critical --fail-if-any');
  addList(findings, run);
  addShow(findings, run);
  addChange(findings, run, 'acknowledge', 'say that somebody is at it');
  addChange(findings, run, 'resolve', 'say that it is over; new evidence opens it again');
}

function addList(findings: Command, run: CommandRun): void {
  const command = findings
    .command('list', { isDefault: true })
    .description('list findings that are not resolved');
  addListFlags(addFlags(command, FLAGS));
  addExample(command, 'synscope findings --since 15m --fail-if-any', 'synscope findings --state resolved');
  command.action((options: ListOptions) =>
    writeList(
      run,
      {
        path: LIST,
        query: { ...DEFAULTS, ...valuesOf({ ...FLAGS, ...PAGE_FLAGS }, options) },
        columns: COLUMNS,
      },
      options,
    ),
  );
}

function addShow(findings: Command, run: CommandRun): void {
  const command = findings
    .command('show')
    .argument('<id>')
    .description('show a finding with its evidence and advice');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, `synscope findings show ${AN_ID}`);
  command.action(async (id: string, options: ConnectedOptions) => {
    const call = run.api(options).operations.GET('/api/v1/findings/{id}', { params: { path: { id } } });
    const finding = await answerOf(call);
    if (options.output === 'json') return writeJson(run, finding);
    await run.print(renderTable(COLUMNS, [finding], run.surroundings.output));
    await writeReasons(run, finding);
  });
}

function addChange(findings: Command, run: CommandRun, verb: 'acknowledge' | 'resolve', what: string): void {
  const command = findings
    .command(verb)
    .argument('<id>')
    .description(what)
    .option('--comment <text>', 'for the audit log');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, `synscope findings ${verb} ${AN_ID} --comment OPS-123`);
  command.action(async (id: string, options: ConnectedOptions & { readonly comment?: string }) => {
    const { comment } = options;
    const call = run.api(options).operations.POST(`/api/v1/findings/{id}/${verb}`, {
      params: { path: { id } },
      body: comment === undefined ? {} : { comment },
    });
    const finding = await answerOf(call);
    if (options.output === 'json') return writeJson(run, finding);
    await run.print(renderTable(COLUMNS, [finding], run.surroundings.output));
  });
}

/** What is behind a finding or a diagnosis, as tables one below the other. */
export async function writeReasons(
  run: CommandRun,
  reasons: Pick<Finding, 'evidence' | 'advice'> & { readonly wouldBeRefutedBy: string | null },
): Promise<void> {
  const { output } = run.surroundings;
  const { evidence, advice, wouldBeRefutedBy } = reasons;
  if (evidence.length > 0) await run.print(`\n${renderTable(EVIDENCE_COLUMNS, evidence, output)}`);
  if (advice.length > 0) await run.print(`\n${renderTable(ADVICE_COLUMNS, advice, output)}`);
  if (wouldBeRefutedBy !== null)
    await run.print(
      `\n${renderTable([{ heading: 'WOULD BE REFUTED BY', text: (text: string) => text }], [wouldBeRefutedBy], output)}`,
    );
}

const COLUMNS: readonly Column<Finding>[] = [
  { heading: 'ID', text: ({ id }) => id },
  {
    heading: 'SEVERITY',
    text: ({ severity }) => severity,
    tone: ({ severity }) =>
      severity === 'critical' ? 'bad' : severity === 'warning' ? 'doubtful' : undefined,
  },
  { heading: 'STATE', text: ({ state }) => state },
  { heading: 'CODE', text: ({ code }) => code },
  {
    heading: 'SUBJECT',
    text: ({ subject: { address, port } }) =>
      address === null ? '' : port === null ? address : endpointText({ address, port }),
  },
  { heading: 'HOST', text: ({ subject }) => plainText(subject.hostname), mayBeCut: true },
  { heading: 'HURT', text: ({ impact }) => `${impact.handshakes}`, align: 'right' },
  { heading: 'LAST SEEN', text: ({ lastSeenAt }) => timeText(lastSeenAt) },
  { heading: 'TITLE', text: ({ title }) => title, mayBeCut: true },
];

const EVIDENCE_COLUMNS: readonly Column<Finding['evidence'][number]>[] = [
  { heading: 'SEEN', text: ({ observation }) => observation },
  { heading: 'VALUE', text: ({ value }) => `${value}` },
  { heading: 'RECORD', text: ({ records }) => plainText(records.at(-1)?.id) },
];

const ADVICE_COLUMNS: readonly Column<Finding['advice'][number]>[] = [
  { heading: 'CHANGE', text: ({ what }) => what },
  { heading: 'NOW', text: ({ now }) => plainText(now) },
  { heading: 'TO', text: ({ suggested }) => suggested },
];
