import { cpus, release } from 'node:os';
import type { Family } from '../../lab/lab.js';
import { milliseconds, table, times, worstErrorUs } from '../table.js';
import type { DnsCase, ExpectedEnd } from './cases.js';
import type { DnsComparison } from './compare.js';
import { oneWayDelayUs } from './experiment.js';

export interface DnsRow {
  readonly testCase: DnsCase;
  readonly family: Family;
  readonly comparison: DnsComparison;
}

const header = [
  'case',
  'family',
  'queries',
  'client outcome',
  'client latency',
  'resolver outcome',
  'resolver latency',
  'dns.time',
  "dig's Query time",
  'getaddrinfo()',
];

function outcomes(ends: readonly ExpectedEnd[]): string {
  const texts = ends.map(({ outcome, lateReason, responseCode, truncated }) => {
    if (lateReason !== null) return `${outcome}, ${lateReason}`;
    if (truncated) return `${outcome}, truncated`;
    return responseCode === null || responseCode === 'NOERROR' ? outcome : `${outcome}, ${responseCode}`;
  });
  return [...new Set(texts)].join('; ');
}

function cells({ testCase, family, comparison }: DnsRow): string[] {
  return [
    testCase.name,
    family === 'ipv4' ? 'IPv4' : 'IPv6',
    String(testCase.names * testCase.queries.length),
    outcomes(testCase.queries.map(({ client }) => client)),
    times(comparison.clientLatency),
    outcomes(testCase.queries.map(({ resolver }) => resolver)),
    times(comparison.resolverLatency),
    times(comparison.dnsTime),
    times(comparison.digTime),
    times(comparison.nameLookup),
  ];
}

export function formatDnsTable(rows: readonly DnsRow[]): string {
  return table(header, rows.map(cells));
}

export function formatDnsDocument(rows: readonly DnsRow[], date: Date): string {
  const worstUs = worstErrorUs(
    rows.flatMap(({ comparison: { clientLatency, resolverLatency } }) => [
      ...clientLatency,
      ...resolverLatency,
    ]),
  );
  return `# How accurate the DNS records are

Written by \`SYNSCOPE_WRITE_REPORT=1 npm run test:accuracy\` on ${date.toISOString().slice(0, 10)}, Linux ${release()}, ${process.arch},
${cpus().length} processors. All rows in one trace session; ${oneWayDelayUs / 1_000} ms of delay each way, so the client's latency is ${(2 * oneWayDelayUs) / 1_000} ms above the resolver's.
The largest error of any latency in the table: ${milliseconds(worstUs)} ms.

${formatDnsTable(rows)}

Times are in milliseconds: *true → measured (largest error)*, the first two being medians; in the last three columns the witness's time takes
the place of the true one. Outcomes, response codes and counts are equal to what was expected in every row, or the suite fails.

- **Traffic.** Two network namespaces, joined by a relay (\`test/lab\`) that delays every packet. The resolver's answers, and when it sends
  them, are chosen by the name that is asked (\`test/lab/dns-behaviour.h\`). Who asks: \`test/lab/dns-client.c\` by a connected (as glibc, Go)
  or an unconnected socket (as musl), glibc's \`getaddrinfo()\`, or \`dig\`.
- **Measured.** What \`GET /api/v1/dns-queries\` answers, after the whole way: kernel, probe, agent, gRPC, Postgres. One agent sees both sides.
- **True.** Client: at least from the relay's taking of the query to its handing over of the answer, at most between the client's system
  calls around both, by the client's clock (of dig and glibc: between both packets in a capture). Resolver: at least between the resolver's own system calls, at most from the relay's handing
  over of the query to its taking of the answer. The table shows the middle. Over TCP a message counts when its last segment passes.
- **Bound.** 1 ms or 1 % outside of what is true, whichever is more.
- **Late.** The client had asked again (\`asked_again\`) or closed its socket (\`socket_closed\`) before the answer came; the latency is the true
  one. glibc asks again from the same socket with the same ID: such answers are taken in the order of the queries.
- **Unanswered.** Given up after 30 s, within a few seconds; there is no latency.
- **dns.time** of tshark, from a capture on the side of the record, where the query is the only one with its ports and ID.
- **Query time** of \`dig -u\`, which begins before the query is sent and ends after the answer is read, and is never less than the record's.
- **getaddrinfo()** beside the record of \`GET /api/v1/name-lookups\`: between its last answer and the life of the whole process.
- **Also held against each other in every row:** addresses, ports, message ID, network namespace, process, attempt, \`lookupId\` (one for all
  queries of a lookup, none shared), answer count, truncation, tshark's count of queries and retransmissions, and the number of records: one
  of each query and side, none more.
`;
}
