import { cpus, release } from 'node:os';
import type { Family } from '../../lab/lab.js';
import { milliseconds, table, times, worstErrorUs } from '../table.js';
import { type BothEndsComparison, partNames, stageNames } from './both-ends.js';
import type { AccuracyCase } from './cases.js';
import type { Comparison } from './compare.js';
import { connectionsPerCase, lossyConnections, oneWayDelayUs } from './experiment.js';

export interface Row {
  readonly testCase: AccuracyCase;
  readonly family: Family;
  readonly comparison: Comparison;
  readonly bothEnds: BothEndsComparison;
}

function counts(values: readonly number[]): string {
  const different = [...new Set(values)].sort();
  return different.length === 0 ? '–' : different.join(', ');
}

const header = [
  'case',
  'family',
  'client outcome',
  'client stage',
  'SYN again',
  'server outcome',
  'server stage',
  'SYN-ACK again',
  'accept wait',
  'initial_rtt',
];

function cells({ testCase, family, comparison }: Row): string[] {
  const server = testCase.server !== null;
  return [
    testCase.name,
    family === 'ipv4' ? 'IPv4' : 'IPv6',
    testCase.client,
    times(comparison.clientLatency),
    counts(comparison.synRetransmits),
    testCase.server ?? 'no record',
    times(comparison.serverLatency),
    server ? counts(comparison.synAckRetransmits) : '–',
    times(comparison.acceptWait),
    times(comparison.initialRtt),
  ];
}

export function formatTable(rows: readonly Row[]): string {
  return table(header, rows.map(cells));
}

const bothEndsHeader = [
  'case',
  'family',
  'network round trip',
  'lost SYN',
  'lost SYN-ACK',
  'server queue',
  'accept wait',
  'SYN_SENT → SYN_RECV',
  'SYN_RECV → ESTABLISHED',
];

/** What both ends tell together, of the cases in which there are both. */
export function formatBothEnds(rows: readonly Row[]): string {
  return table(
    bothEndsHeader,
    rows
      .filter(({ bothEnds }) => bothEnds.times.networkRoundTrip.length > 0)
      .map(({ testCase, family, bothEnds }) => [
        testCase.name,
        family === 'ipv4' ? 'IPv4' : 'IPv6',
        ...[...partNames, ...stageNames].map((name) => times(bothEnds.times[name])),
      ]),
  );
}

export function formatDocument(rows: readonly Row[], date: Date): string {
  const worstUs = worstErrorUs(
    rows.flatMap(({ comparison: { clientLatency, serverLatency, acceptWait } }) => [
      ...clientLatency,
      ...serverLatency,
      ...acceptWait,
    ]),
  );
  return `# How accurate the handshake records are

Written by \`SYNSCOPE_WRITE_REPORT=1 npm run test:accuracy\` on ${date.toISOString().slice(0, 10)}, Linux ${release()}, ${process.arch},
${cpus().length} processors. ${connectionsPerCase} connections in each row, all rows in one trace session; ${oneWayDelayUs / 1_000} ms of delay each way.
The largest error of any time in the table: ${milliseconds(worstUs)} ms.

${formatTable(rows)}

Times are in milliseconds: *true → measured (largest error)*, the first two being medians. "Again" is how often the SYN or the SYN-ACK was
sent again; measured and true numbers are equal in every row, or the suite fails.

- **Traffic.** Two network namespaces, joined by a relay (\`test/lab\`) that delays every packet and drops chosen ones: the first SYN, SYN-ACK
  or bare ACK of each connection, or all SYNs ("filtered", with \`tcp_syn_retries\` 1).
- **Measured.** What \`GET /api/v1/handshakes\` answers, after the whole way: kernel, probe, agent, gRPC, Postgres.
- **True.** Client stage: at least from the relay's taking of the first SYN to its handing over of the packet that ends the attempt (SYN-ACK,
  RST), at most from before \`connect()\` until after its return, by the application's clock; the table shows the middle. Where no packet ends
  the attempt, both ends with the application's system call. Server stage: from the hand-over of the SYN to that of the packet that
  acknowledges or resets it. Accept wait: from there to between the call and the return of \`accept()\`, by the server's clock.
- **Injected.** Where a stage lasts one round trip and nothing else, no connection is faster than the ${(2 * oneWayDelayUs) / 1_000} ms that were asked for, and
  the fastest is within 1 ms of them.
- **initial_rtt.** \`tcp.analysis.initial_rtt\` of tshark, from a capture on the side of the record, beside that record's \`latencyUs\`. It
  starts at the *latest* SYN, so it can be compared only where that side saw a single one.
- **Also held against each other in every row:** outcome, addresses, ports, network namespace, process, both initial sequence numbers,
  tshark's count of retransmitted SYNs and SYN-ACKs, and the number of records: one for every handshake that tshark saw on that side, none
  more.
- **Many connections over a lossy path.** ${lossyConnections} for each family, 2 % of the packets of each direction lost at random: each side reports every handshake
  that tshark saw there once, none more, with as many repeated SYNs and SYN-ACKs as tshark counts.
- **Bound.** 1 ms or 1 % outside of what is true, whichever is more.

## Both ends together

What \`GET /api/v1/handshakes/{id}\` answers from the records of both ends, seen from either one: the other end (\`exact\` in every row, or the suite fails; so for all of the
${2 * lossyConnections} lossy connections), where the time went, and the two stages, by one clock. [both-ends.md](both-ends.md) says what each part is.

${formatBothEnds(rows)}

True is what the relay saw: from when it took the first SYN, or SYN-ACK, until it took the one that it let through; the ways of those that it let through, there and back;
and by how much the acknowledgement came later than its way takes; any part at most as much longer as the client's application waited beyond that. Where a part comes from TCP timestamps, which count whole milliseconds, it may be one more off: the
round trip and the wait after a lost SYN-ACK.

## Notes

Two things to know when reading a row. A lost SYN-ACK is answered twice: by the client's repeated SYN and by the server's own timer, so
the server may have sent it again once or twice. And Linux repeats a SYN after one second each for the first four times
(\`tcp_syn_linear_timeouts\`, since 6.5), not after 1, 2 and 4.
`;
}
