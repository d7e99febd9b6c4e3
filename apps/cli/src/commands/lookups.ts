import type { Command } from 'commander';
import type { CommandRun } from '../command-run.js';
import { latencyText, plainText, timeText } from '../output/values.js';
import { writeList } from '../output/write-list.js';
import {
  addExample,
  addFlags,
  addListFlags,
  type FilterFlags,
  type ListOptions,
  PAGE_FLAGS,
  RECORD_FLAGS,
  valuesOf,
} from './flags.js';

const PATH = '/api/v1/name-lookups';
const FLAGS = {
  ...RECORD_FLAGS,
  name: ['<name,…>', 'of these names'],
  nameSuffix: ['<name,…>', 'of these names and all below them'],
  result: ['<result,…>', 'that returned: success, EAI_AGAIN, EAI_NONAME, …'],
} satisfies FilterFlags<typeof PATH>;

export function addLookups(program: Command, run: CommandRun): void {
  const command = program
    .command('lookups')
    .description('the slowest calls of getaddrinfo(): what applications waited for');
  addListFlags(addFlags(command, FLAGS));
  addExample(command, 'synscope lookups --process-name nginx --min-latency-ms 200');
  command.action((options: ListOptions) =>
    writeList(
      run,
      {
        path: PATH,
        query: { ...valuesOf({ ...FLAGS, ...PAGE_FLAGS }, options), order: '-latencyUs' },
        columns: [
          { heading: 'LATENCY', text: ({ latencyUs }) => latencyText(latencyUs), align: 'right' },
          {
            heading: 'RESULT',
            text: ({ result }) => result,
            tone: ({ result }) => (result === 'success' ? undefined : 'bad'),
          },
          { heading: 'FAMILY', text: ({ family }) => family },
          { heading: 'NAME', text: ({ name }) => name, mayBeCut: true },
          { heading: 'HOST', text: ({ hostname }) => plainText(hostname), mayBeCut: true },
          { heading: 'PROCESS', text: ({ process }) => plainText(process.name) },
          { heading: 'OBSERVED', text: ({ observedAt }) => timeText(observedAt) },
        ],
      },
      options,
    ),
  );
}
