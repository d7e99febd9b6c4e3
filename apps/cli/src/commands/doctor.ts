import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { ApiClient } from '../api/api-client.js';
import { CliError } from '../cli-error.js';
import type { CommandRun } from '../command-run.js';
import { askProbe } from '../doctor/ask-probe.js';
import { findProbe } from '../doctor/find-probe.js';
import type { components } from '../gen/openapi.js';
import { type Column, renderTable } from '../output/table.js';
import { plainText } from '../output/values.js';
import { writeJson } from '../output/write-list.js';
import { addConnectionFlags, addExample, addFailIfAny, addOutputFlag, type ListOptions } from './flags.js';

type Agent = components['schemas']['Agent'];
type Capability = components['schemas']['Capability'];

/** What can be measured on this host, and who says so. */
interface Diagnosis {
  readonly source: string;
  readonly kernel: string | null;
  readonly architecture: string | null;
  readonly capabilities: readonly Capability[];
}

interface DoctorOptions extends ListOptions {
  /** False with --no-probe, true without either flag: so does commander. */
  readonly probe: string | boolean;
  readonly hostname: string;
}

export function addDoctor(program: Command, run: CommandRun): void {
  const command = program
    .command('doctor')
    .description("what this host's kernel can measure, what it cannot, and why")
    .option('--probe <path>', 'the synscope-probe to ask (default: SYNSCOPE_PROBE, else the one found here)')
    .option('--no-probe', 'do not ask a probe, but the control plane')
    .option(
      '--hostname <name>',
      'without a probe here: the agent to ask the control plane about',
      hostname(),
    );
  addFailIfAny(addConnectionFlags(addOutputFlag(command, ['table', 'json'])));
  addExample(
    command,
    'sudo synscope doctor',
    'synscope doctor --fail-if-any   # 1 if anything cannot be measured exactly',
  );
  command.action(async (options: DoctorOptions) => {
    const diagnosis = await diagnose(run, options);
    if (options.failIfAny && diagnosis.capabilities.some((each) => verdictOf(each) !== 'exact'))
      run.exitStatus = 1;
    if (options.output === 'json') return writeJson(run, diagnosis);
    await run.note(
      `${diagnosis.source}; kernel ${plainText(diagnosis.kernel)}, ${plainText(diagnosis.architecture)}`,
    );
    await run.print(renderTable(COLUMNS, diagnosis.capabilities, run.surroundings.output));
  });
}

async function diagnose(run: CommandRun, options: DoctorOptions): Promise<Diagnosis> {
  const { environment } = run.surroundings;
  const flag = typeof options.probe === 'string' ? options.probe : undefined;
  const named = flag ?? (environment['SYNSCOPE_PROBE'] || undefined);
  const probe = options.probe === false ? undefined : findProbe(named, environment['PATH']);
  if (probe !== undefined) {
    const { kernel, architecture, capabilities } = await askProbe(probe);
    return { source: `asked ${probe}`, kernel, architecture, capabilities };
  }
  const agent = await agentOf(run.api(options), options.hostname);
  if (agent === undefined) {
    throw new CliError(
      `there is no synscope-probe here (--probe names one), and the control plane knows no agent on ${options.hostname} (--hostname names another)`,
    );
  }
  const { kernel, architecture, capabilities } = agent;
  return { source: `the agent ${agent.id} (${agent.status}) said`, kernel, architecture, capabilities };
}

/** The agent of this host that is connected, else any. */
async function agentOf(api: ApiClient, host: string): Promise<Agent | undefined> {
  const found: Agent[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.list({ path: '/api/v1/agents', query: { limit: '1000', cursor } });
    found.push(...page.items.filter((agent) => agent.hostname === host));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found.find(({ status }) => status === 'online') ?? found[0];
}

type Verdict = 'exact' | 'inexact' | 'missing';

/** As the API has it: an available one with a detail is inexact, and the detail says how. */
function verdictOf({ available, detail }: Capability): Verdict {
  if (!available) return 'missing';
  return detail === '' ? 'exact' : 'inexact';
}

const TONES = { exact: 'good', inexact: 'doubtful', missing: 'bad' } as const;

const COLUMNS: readonly Column<Capability>[] = [
  { heading: 'MEASUREMENT', text: ({ name }) => name },
  { heading: 'HERE', text: verdictOf, tone: (each) => TONES[verdictOf(each)] },
  { heading: 'WHY', text: ({ detail }) => detail },
];
