import type { Command } from 'commander';
import type { CommandRun } from '../command-run.js';
import { clockOffsetText, labelsText, plainText, timeText } from '../output/values.js';
import { writeList } from '../output/write-list.js';
import {
  addExample,
  addFlags,
  addListFlags,
  type FilterFlags,
  type ListOptions,
  PAGE_FLAGS,
  valuesOf,
} from './flags.js';

const PATH = '/api/v1/agents';
const FLAGS = {
  selector: ['<labels>', 'that match, such as env=prod,role in (web,api)'],
  status: ['<status>', 'online or offline'],
  includeRevoked: [null, 'those too that were revoked'],
} satisfies FilterFlags<typeof PATH>;

export function addAgents(program: Command, run: CommandRun): void {
  const command = program.command('agents').description('list the agents');
  addListFlags(addFlags(command, FLAGS));
  addExample(command, "synscope agents --selector 'env=prod,!canary' --status offline --fail-if-any");
  command.action((options: ListOptions) =>
    writeList(
      run,
      {
        path: PATH,
        query: valuesOf({ ...FLAGS, ...PAGE_FLAGS }, options),
        columns: [
          { heading: 'ID', text: ({ id }) => id },
          { heading: 'HOST', text: ({ hostname }) => hostname, mayBeCut: true },
          {
            heading: 'STATUS',
            text: ({ status, revokedAt, warnings }) =>
              `${revokedAt === null ? status : 'revoked'}${warnings.length === 0 ? '' : ' !'}`,
            tone: ({ status }) => (status === 'online' ? 'good' : 'bad'),
          },
          { heading: 'KERNEL', text: ({ kernel }) => plainText(kernel), mayBeCut: true },
          { heading: 'SEEN', text: ({ lastSeenAt }) => timeText(lastSeenAt) },
          { heading: 'CLOCK', text: clockOffsetText, align: 'right' },
          { heading: 'LOST', text: ({ loss }) => String(loss.records), align: 'right' },
          { heading: 'LABELS', text: ({ labels }) => plainText(labelsText(labels)), mayBeCut: true },
        ],
      },
      options,
    ),
  );
}
