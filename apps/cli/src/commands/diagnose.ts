import type { Command } from 'commander';
import { answerOf } from '../api/api-client.js';
import type { CommandRun } from '../command-run.js';
import type { components } from '../gen/openapi.js';
import { type Column, renderTable } from '../output/table.js';
import { latencyText } from '../output/values.js';
import { writeJson } from '../output/write-list.js';
import { writeReasons } from './findings.js';
import { addConnectionFlags, addExample, addOutputFlag, type ConnectedOptions } from './flags.js';

type Diagnosis = components['schemas']['Diagnosis'];

interface DiagnoseOptions extends ConnectedOptions {
  readonly source?: string;
  readonly since?: string;
  readonly failIfAny?: boolean;
}

export function addDiagnose(program: Command, run: CommandRun): void {
  const command = program
    .command('diagnose')
    .argument('<destination>', 'an address, an address and port such as 192.0.2.7:443, or a domain name')
    .description('why connections or queries to a destination are slow, from what is stored')
    .option('--source <host>', 'of this client alone: an agent’s id, a hostname or an address')
    .option('--since <time>', 'from when on: 90s, 15m, 24h ago or an RFC 3339 time (default: 15m)')
    .option('--fail-if-any', 'exit with 1 if a cause was found, for checks in scripts');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, 'synscope diagnose 192.0.2.7:443 --source web-1 --since 1h');
  command.action(async (destination: string, options: DiagnoseOptions) => {
    const { source = null, since = '15m' } = options;
    const call = run
      .api(options)
      .operations.POST('/api/v1/diagnoses', { body: { destination, source, since } });
    const diagnosis = await answerOf(call);
    if (options.failIfAny && diagnosis.breakdown.length > 0) run.exitStatus = 1;
    if (options.output === 'json') return writeJson(run, diagnosis);
    await writeDiagnosis(run, diagnosis);
  });
}

async function writeDiagnosis(run: CommandRun, diagnosis: Diagnosis): Promise<void> {
  const { output } = run.surroundings;
  await run.print(renderTable(SUMMARY_COLUMNS, [diagnosis], output));
  if (diagnosis.breakdown.length > 0)
    await run.print(`\n${renderTable(BREAKDOWN_COLUMNS, diagnosis.breakdown, output)}`);
  await writeReasons(run, diagnosis);
  for (const what of diagnosis.missing) await run.note(`not seen: ${what}`);
}

const SUMMARY_COLUMNS: readonly Column<Diagnosis>[] = [
  { heading: 'CODE', text: ({ code }) => code },
  {
    heading: 'SLOW OR FAILED',
    text: ({ examined }) => `${examined.slowOrFailed} of ${examined.records}`,
    align: 'right',
  },
  { heading: 'TITLE', text: ({ title }) => title },
];

const BREAKDOWN_COLUMNS: readonly Column<Diagnosis['breakdown'][number]>[] = [
  { heading: 'CAUSE', text: ({ code }) => code },
  { heading: 'HURT', text: ({ handshakes }) => `${handshakes}`, align: 'right' },
  { heading: 'ADDED', text: ({ addedLatencyUs }) => latencyText(addedLatencyUs), align: 'right' },
];
