import type { Command } from 'commander';
import type { CommandRun } from '../command-run.js';
import { endpointText, latencyText, plainText, timeText } from '../output/values.js';
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

const PATH = '/api/v1/handshakes';
const FLAGS = {
  ...RECORD_FLAGS,
  role: ['<role,…>', 'seen by the client, the server, or both'],
  outcome: ['<outcome,…>', 'that ended so: established, refused, timed_out, unreachable, aborted, reset'],
  remoteAddress: ['<address>', 'with this peer, an address or prefix'],
  remotePort: ['<port,…>', 'with these ports of the peer'],
  localPort: ['<port,…>', 'with these ports of the observing host'],
} satisfies FilterFlags<typeof PATH>;

export function addSlow(program: Command, run: CommandRun): void {
  const command = program.command('slow').description('the slowest TCP handshakes');
  addListFlags(addFlags(command, FLAGS));
  addExample(
    command,
    'synscope slow --since 24h --min-latency-ms 100 --remote-port 443',
    'synscope slow --since 5m --outcome timed_out --fail-if-any',
  );
  command.action((options: ListOptions) =>
    writeList(
      run,
      {
        path: PATH,
        query: { ...valuesOf({ ...FLAGS, ...PAGE_FLAGS }, options), order: '-latencyUs' },
        columns: [
          { heading: 'LATENCY', text: ({ latencyUs }) => latencyText(latencyUs), align: 'right' },
          {
            heading: 'OUTCOME',
            text: ({ outcome }) => outcome,
            tone: ({ outcome }) => (outcome === 'established' ? undefined : 'bad'),
          },
          { heading: 'ROLE', text: ({ role }) => role },
          { heading: 'HOST', text: ({ hostname }) => plainText(hostname), mayBeCut: true },
          { heading: 'PROCESS', text: ({ process }) => plainText(process.name) },
          { heading: 'REMOTE', text: ({ remote }) => endpointText(remote) },
          {
            heading: 'RETRANSMITS',
            text: ({ synRetransmits, synAckRetransmits }) => plainText(synRetransmits ?? synAckRetransmits),
            align: 'right',
            tone: ({ synRetransmits, synAckRetransmits }) =>
              synRetransmits || synAckRetransmits ? 'doubtful' : undefined,
          },
          { heading: 'OBSERVED', text: ({ observedAt }) => timeText(observedAt) },
        ],
      },
      options,
    ),
  );
}
