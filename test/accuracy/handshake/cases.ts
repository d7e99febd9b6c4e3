import type { Drop } from '../../lab/relay.js';
import type { Handshake } from '../../stack/answers.js';

export interface AccuracyCase {
  readonly name: string;
  /** What the wire loses. */
  readonly drops: readonly Drop[];
  readonly listening: boolean;
  /** Before each accept(), milliseconds. */
  readonly acceptDelayMs?: number;
  /** The application closes the unanswered socket, milliseconds after connect(). */
  readonly giveUpMs?: number;
  /** net.ipv4.tcp_syn_retries of the client's namespace. */
  readonly synRetries?: number;
  readonly client: Handshake['outcome'];
  /** null: the server side has nothing to report. */
  readonly server: Handshake['outcome'] | null;
  /** The stages that last one round trip of the delay that was injected, nothing else. */
  readonly roundTrip: readonly Handshake['role'][];
}

const loses = (kind: Drop['kind'], from: Drop['from']): readonly Drop[] => [
  { kind, from, first: 1, eachConnection: true },
];
const established = { listening: true, client: 'established', server: 'established' } as const;

export const accuracyCases: readonly AccuracyCase[] = [
  { ...established, name: 'no loss', drops: [], roundTrip: ['client', 'server'] },
  { ...established, name: 'first SYN lost', drops: loses('syn', 'a'), roundTrip: ['server'] },
  { ...established, name: 'first SYN-ACK lost', drops: loses('synack', 'b'), roundTrip: [] },
  { ...established, name: 'final ACK lost', drops: loses('ack', 'a'), roundTrip: ['client'] },
  {
    name: 'port closed',
    drops: [],
    listening: false,
    client: 'refused',
    server: null,
    roundTrip: ['client'],
  },
  {
    name: 'filtered',
    drops: [{ kind: 'syn', from: 'a' }],
    listening: true,
    synRetries: 1,
    client: 'timed_out',
    server: null,
    roundTrip: [],
  },
  {
    name: 'application gives up',
    drops: [],
    listening: true,
    giveUpMs: 35,
    client: 'aborted',
    server: 'reset',
    roundTrip: ['server'],
  },
  { ...established, name: 'slow accept()', drops: [], acceptDelayMs: 60, roundTrip: ['client', 'server'] },
];
