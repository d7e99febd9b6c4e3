import type { Command } from 'commander';
import type { ItemOf } from '../api/api-client.js';
import type { CommandRun } from '../command-run.js';
import type { Column } from '../output/table.js';
import { endpointText, plainText, timeText } from '../output/values.js';
import { writeList } from '../output/write-list.js';
import {
  addExample,
  addFlags,
  addListFlags,
  type FilterFlags,
  type Flags,
  type ListOptions,
  PAGE_FLAGS,
  RECORD_FLAGS,
  valuesOf,
} from './flags.js';

const SOCKETS = '/api/v1/listeners';
const SAMPLES = '/api/v1/listener-samples';

/** A listening socket has no latency. */
const { minLatencyMs: _, ...COMMON_FLAGS } = RECORD_FLAGS;
const FLAGS = {
  ...COMMON_FLAGS,
  localAddress: ['<address>', 'bound to this address, or to one in this prefix'],
  localPort: ['<port,…>', 'bound to these ports'],
  socketCookie: ['<hex>', 'the socket with this cookie; give --agent-id too'],
  refusing: ['<bool>', 'true: only what refused or dropped anything; false: only what did not'],
} satisfies FilterFlags<typeof SOCKETS> & FilterFlags<typeof SAMPLES>;

const ORDER_FLAG = {
  order: ['<order>', '-refused (default) or -observedAt'],
} satisfies Flags<string>;

export function addListeners(program: Command, run: CommandRun): void {
  const listeners = program
    .command('listeners')
    .description('listening sockets, their queues and what they refused: one by one (default), or over time');
  addExample(listeners, 'synscope listeners --refusing true --since 15m', 'synscope listeners samples');
  const sockets = listeners
    .command('list', { isDefault: true })
    .description('each listening socket with its sums, most refused first');
  addListFlags(addFlags(addFlags(sockets, FLAGS), ORDER_FLAG));
  addExample(sockets, 'synscope listeners --refusing true --since 5m --fail-if-any');
  sockets.action((options: ListOptions) =>
    writeList(
      run,
      {
        path: SOCKETS,
        query: { order: '-refused', ...valuesOf({ ...FLAGS, ...ORDER_FLAG, ...PAGE_FLAGS }, options) },
        columns: COLUMNS,
      },
      options,
    ),
  );

  const samples = listeners.command('samples').description('the history of listening sockets, newest first');
  addListFlags(addFlags(samples, FLAGS));
  addExample(samples, 'synscope listeners samples --local-port 443 --refusing true');
  samples.action((options: ListOptions) =>
    writeList(
      run,
      { path: SAMPLES, query: valuesOf({ ...FLAGS, ...PAGE_FLAGS }, options), columns: COLUMNS },
      options,
    ),
  );
}

type Sample = ItemOf<typeof SAMPLES>;

/** SYNs and third packets that were lost at the socket. */
export function refusedOf({ synsRefused, acksDropped }: Pick<Sample, 'synsRefused' | 'acksDropped'>): number {
  return (
    synsRefused.acceptQueueFull +
    synsRefused.synQueueFull +
    synsRefused.unexplained +
    acksDropped.acceptQueueFull +
    acksDropped.cookiePath
  );
}

/** The same for a sample and for the sums of a socket. */
type Shown = Pick<Sample, keyof Sample & keyof ItemOf<typeof SOCKETS>>;

const lost = (heading: string, count: (item: Shown) => number): Column<Shown> => ({
  heading,
  text: (item) => String(count(item)),
  align: 'right',
  tone: (item) => (count(item) > 0 ? 'bad' : undefined),
});

const COLUMNS: readonly Column<Shown>[] = [
  { heading: 'LISTENS ON', text: ({ local }) => endpointText(local) },
  { heading: 'HOST', text: ({ hostname }) => plainText(hostname), mayBeCut: true },
  { heading: 'PROCESS', text: ({ process }) => plainText(process.name) },
  {
    heading: 'ACCEPT QUEUE',
    text: ({ acceptQueue: { length, limit } }) => `${length} of ${limit}`,
    align: 'right',
  },
  {
    heading: 'PEAK',
    text: ({ acceptQueue }) => String(acceptQueue.peak),
    align: 'right',
    // The kernel takes one more than the limit before it refuses.
    tone: ({ acceptQueue: { peak, limit } }) => (peak > limit ? 'bad' : undefined),
  },
  { heading: 'SYN QUEUE', text: ({ synQueue }) => String(synQueue.peak), align: 'right' },
  { heading: 'SYNS', text: ({ syns }) => String(syns), align: 'right' },
  lost('ACCEPT FULL', ({ synsRefused }) => synsRefused.acceptQueueFull),
  lost('SYN FULL', ({ synsRefused }) => synsRefused.synQueueFull),
  lost('UNEXPLAINED', ({ synsRefused }) => synsRefused.unexplained),
  lost('ACKS DROPPED', ({ acksDropped }) => acksDropped.acceptQueueFull + acksDropped.cookiePath),
  { heading: 'COOKIES', text: ({ synsAnsweredByCookie }) => String(synsAnsweredByCookie), align: 'right' },
  { heading: 'OBSERVED', text: ({ observedAt }) => timeText(observedAt) },
];
