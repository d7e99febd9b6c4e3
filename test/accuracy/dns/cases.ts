import type { DnsClientOptions } from '../../lab/dns-client.js';
import type { GlibcOptions } from '../../lab/stub-resolvers.js';
import type { DnsQuery } from '../../stack/answers.js';

export type QueryType = 'A' | 'AAAA';

/** What one side is to report of a query. */
export type ExpectedEnd = Pick<
  DnsQuery,
  'outcome' | 'lateReason' | 'responseCode' | 'truncated' | 'answerCount'
>;

export interface ExpectedQuery {
  readonly type: QueryType;
  readonly transport: DnsQuery['transport'];
  /** Within its lookup. */
  readonly attempt: number;
  /** Of those of its name, from 0. */
  readonly lookup: number;
  readonly client: ExpectedEnd;
  readonly resolver: ExpectedEnd;
}

/** Who asks, and how. */
export type Asker =
  | { readonly by: 'client'; readonly options: Omit<DnsClientOptions, 'address' | 'questions' | 'name'> }
  | { readonly by: 'dig'; readonly args: readonly string[] }
  | { readonly by: 'glibc'; readonly options: Omit<GlibcOptions, 'nameserver'> };

export interface DnsCase {
  readonly name: string;
  /** How the server answers; see test/lab/dns-behaviour.h. */
  readonly behaviour: string;
  readonly asker: Asker;
  /** How many names are looked up; all at once, but one after another by dig and glibc. */
  readonly names: number;
  /** Of each name, in the order in which they are asked. */
  readonly queries: readonly ExpectedQuery[];
  /** What getaddrinfo() returns to glibc's callers. Default: success. */
  readonly lookupResult?: 'EAI_AGAIN';
  /** The server reads nothing, and its receive queue holds a few datagrams. */
  readonly suspended?: boolean;
}

const answered: ExpectedEnd = {
  outcome: 'answered',
  lateReason: null,
  responseCode: 'NOERROR',
  truncated: false,
  answerCount: 1,
};
const unanswered: ExpectedEnd = {
  outcome: 'unanswered',
  lateReason: null,
  responseCode: null,
  truncated: false,
  answerCount: null,
};
const askedAgain: ExpectedEnd = { ...answered, outcome: 'late', lateReason: 'asked_again' };
const socketClosed: ExpectedEnd = { ...answered, outcome: 'late', lateReason: 'socket_closed' };

interface QueryChanges extends Partial<Omit<ExpectedQuery, 'client' | 'resolver'>> {
  /** Of both sides. */
  readonly end?: ExpectedEnd;
  /** Of the client's side, where it differs. */
  readonly client?: ExpectedEnd;
}

function query({ end = answered, client = end, ...changes }: QueryChanges = {}): ExpectedQuery {
  return { type: 'A', transport: 'udp', attempt: 1, lookup: 0, client, resolver: end, ...changes };
}

function pair(changes: QueryChanges = {}): readonly ExpectedQuery[] {
  return [query({ ...changes, type: 'A' }), query({ ...changes, type: 'AAAA' })];
}

const asks = (options: Extract<Asker, { by: 'client' }>['options']): Asker => ({ by: 'client', options });
const unconnected = asks({});
const connected = asks({ connected: true });
const digs = (...args: string[]): Asker => ({ by: 'dig', args });

const answeredCases: readonly DnsCase[] = [
  { name: 'at once, unconnected', behaviour: '', asker: unconnected, names: 5, queries: [query()] },
  { name: 'at once, connected', behaviour: '', asker: connected, names: 5, queries: [query()] },
  { name: 'after 100 ms, unconnected', behaviour: 'd100', asker: unconnected, names: 5, queries: pair() },
  { name: 'after 100 ms, connected', behaviour: 'd100', asker: connected, names: 5, queries: pair() },
  { name: 'after 100 ms, dig', behaviour: 'd100', asker: digs(), names: 3, queries: [query()] },
  {
    name: 'after 100 ms, glibc',
    behaviour: 'd100',
    asker: { by: 'glibc', options: { timeout: 5, attempts: 2 } },
    names: 2,
    queries: pair(),
  },
  {
    name: 'SERVFAIL',
    behaviour: 'd20.servfail',
    asker: unconnected,
    names: 5,
    queries: [query({ end: { ...answered, responseCode: 'SERVFAIL', answerCount: 0 } })],
  },
  {
    // glibc asks again at once.
    name: 'SERVFAIL, glibc',
    behaviour: 'd20.servfail',
    asker: { by: 'glibc', options: { timeout: 5, attempts: 2, ipv4Only: true } },
    names: 2,
    queries: [1, 2].map((attempt) =>
      query({ attempt, end: { ...answered, responseCode: 'SERVFAIL', answerCount: 0 } }),
    ),
    lookupResult: 'EAI_AGAIN',
  },
  {
    name: 'NXDOMAIN',
    behaviour: 'd20.nxdomain',
    asker: connected,
    names: 5,
    queries: pair({ end: { ...answered, responseCode: 'NXDOMAIN', answerCount: 0 } }),
  },
  {
    name: 'REFUSED',
    behaviour: 'd20.refused',
    asker: unconnected,
    names: 5,
    queries: [query({ end: { ...answered, responseCode: 'REFUSED', answerCount: 0 } })],
  },
  {
    name: 'CNAME chain',
    behaviour: 'd20.cname8',
    asker: connected,
    names: 5,
    queries: [query({ end: { ...answered, answerCount: 9 } })],
  },
  {
    name: 'without a question',
    behaviour: 'd20.noquestion',
    asker: unconnected,
    names: 5,
    queries: [query({ end: { ...answered, answerCount: 0 } })],
  },
  { name: 'twice', behaviour: 'd20.twice', asker: unconnected, names: 5, queries: [query()] },
];

const tcpCases: readonly DnsCase[] = [
  {
    name: 'truncated, then TCP, glibc',
    behaviour: 'tc.d20',
    asker: { by: 'glibc', options: { timeout: 5, attempts: 2, ipv4Only: true } },
    names: 2,
    queries: [
      query({ end: { ...answered, truncated: true, answerCount: 0 } }),
      query({ transport: 'tcp', attempt: 2 }),
    ],
  },
  {
    name: 'truncated, then TCP, dig',
    behaviour: 'tc.d20',
    asker: digs(),
    names: 3,
    queries: [
      query({ end: { ...answered, truncated: true, answerCount: 0 } }),
      query({ transport: 'tcp', attempt: 2 }),
    ],
  },
  {
    name: 'TCP only, dig',
    behaviour: 'tcponly.d20',
    asker: digs('+tcp'),
    names: 3,
    queries: [query({ transport: 'tcp' })],
  },
  {
    name: 'one TCP connection',
    behaviour: 'd20',
    asker: asks({ tcp: true, sequential: true }),
    names: 5,
    queries: [query({ transport: 'tcp' })],
  },
  {
    name: 'TCP in pieces',
    behaviour: 'd20.split',
    asker: asks({ tcp: true, sequential: true, split: true }),
    names: 5,
    queries: [query({ transport: 'tcp' })],
  },
];

const lateCases: readonly DnsCase[] = [
  {
    // glibc asks again after 5 s, from the same socket with the same ID, and is content with the answer to its first query.
    name: 'after 6 s, glibc',
    behaviour: 'd6000',
    asker: { by: 'glibc', options: { timeout: 5, attempts: 2 } },
    names: 1,
    queries: [...pair({ client: askedAgain }), ...pair({ attempt: 2, client: socketClosed })],
  },
  {
    name: 'asked again after 1 s, unconnected',
    behaviour: 'd1500',
    asker: asks({ attempts: 2, timeoutMs: 1_000 }),
    names: 3,
    queries: [...pair({ client: askedAgain }), ...pair({ attempt: 2, client: socketClosed })],
  },
  {
    name: 'asked again from a new socket',
    behaviour: 'd600',
    asker: asks({ attempts: 2, timeoutMs: 500, newSocket: true, connected: true }),
    names: 3,
    queries: [query({ client: socketClosed }), query({ attempt: 2, client: socketClosed })],
  },
  {
    name: 'socket closed, unconnected',
    behaviour: 'd600',
    asker: asks({ timeoutMs: 300 }),
    names: 5,
    queries: [query({ client: socketClosed })],
  },
  {
    name: 'socket closed, connected',
    behaviour: 'd600',
    asker: asks({ timeoutMs: 300, connected: true }),
    names: 5,
    queries: pair({ client: socketClosed }),
  },
];

const sameIdCases: readonly DnsCase[] = [
  {
    name: 'ID reused at once, unconnected',
    behaviour: 'd20',
    asker: asks({ id: 7, sequential: true }),
    names: 1,
    queries: [query(), query({ lookup: 1 }), query({ lookup: 2 })],
  },
  {
    name: 'ID reused at once, connected',
    behaviour: 'd20',
    asker: asks({ id: 7, sequential: true, connected: true }),
    names: 1,
    queries: [query(), query({ lookup: 1 }), query({ lookup: 2 })],
  },
  {
    name: 'one ID for all names',
    behaviour: 'd20',
    asker: asks({ id: 7 }),
    names: 5,
    queries: pair(),
  },
];

const unansweredCases: readonly DnsCase[] = [
  {
    name: 'never, unconnected',
    behaviour: 'silent',
    asker: asks({ timeoutMs: 300 }),
    names: 5,
    queries: pair({ end: unanswered }),
  },
  {
    name: 'never, asked three times, connected',
    behaviour: 'silent',
    asker: asks({ timeoutMs: 300, attempts: 3, connected: true }),
    names: 3,
    queries: [1, 2, 3].flatMap((attempt) => pair({ attempt, end: unanswered })),
  },
  {
    name: 'never, glibc',
    behaviour: 'silent',
    asker: { by: 'glibc', options: { timeout: 1, attempts: 2 } },
    names: 1,
    queries: [1, 2].flatMap((attempt) => pair({ attempt, end: unanswered })),
    lookupResult: 'EAI_AGAIN',
  },
  {
    name: 'with another question',
    behaviour: 'd20.otherquestion',
    asker: asks({ timeoutMs: 300 }),
    names: 5,
    queries: [query({ end: unanswered })],
  },
  {
    name: 'from elsewhere, unconnected',
    behaviour: 'd20.elsewhere',
    asker: asks({ timeoutMs: 300 }),
    names: 5,
    queries: [query({ end: unanswered })],
  },
  {
    name: 'from elsewhere, connected',
    behaviour: 'd20.elsewhere',
    asker: asks({ timeoutMs: 300, connected: true }),
    names: 5,
    queries: [query({ end: unanswered })],
  },
  {
    name: 'full receive queue',
    behaviour: '',
    asker: asks({ timeoutMs: 300 }),
    names: 60,
    queries: [query({ end: unanswered })],
    suspended: true,
  },
];

/** Those first that take the agent's 30 s until they are given up: the others run meanwhile. */
export const dnsCases: readonly DnsCase[] = [
  ...unansweredCases,
  ...lateCases,
  ...answeredCases,
  ...tcpCases,
  ...sameIdCases,
];
