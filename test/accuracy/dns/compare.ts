import type { WitnessedDnsMessage } from '../../lab/witnessed-dns.js';
import type { DnsQuery, NameLookup } from '../../stack/answers.js';
import { Comparer, type Pair } from '../comparer.js';
import type { DnsCase, ExpectedEnd } from './cases.js';
import { clientName, type DnsExperiment, serverName } from './experiment.js';
import type { Truth } from './truth.js';

/** The agent gives a query up after 30 s, which it looks at once a second. Milliseconds; the rest is room for a busy machine. */
const givenUpAfterMs = { least: 30_000, most: 36_000 };
/** What is asked later than this after an answer that makes stub resolvers ask again is another lookup to the agent. Less room for a busy machine. */
const continuationUs = 100_000 - 10_000;
/** Between the clock of the record and that of the test, which reads it in steps of a millisecond. */
const wallClockToleranceUs = 50_000;

class DnsComparer extends Comparer {
  readonly clientLatency: Pair[] = [];
  readonly resolverLatency: Pair[] = [];
  /** Against dns.time of tshark on the same side, where the query is the only one with its ports and ID. */
  readonly dnsTime: Pair[] = [];
  /** Against dig's "Query time", which starts before the query and ends after the answer. */
  readonly digTime: Pair[] = [];
  readonly nameLookup: Pair[] = [];
}

export type DnsComparison = Pick<
  DnsComparer,
  'clientLatency' | 'resolverLatency' | 'dnsTime' | 'digTime' | 'nameLookup' | 'problems'
>;

const wallOffsetUs = Date.now() * 1_000 - Number(process.hrtime.bigint()) / 1_000;
const wallUs = (time: string) => Date.parse(time) * 1_000;

function compareEnd(comparer: DnsComparer, subject: string, record: DnsQuery, expected: ExpectedEnd): void {
  for (const field of ['outcome', 'lateReason', 'responseCode', 'truncated', 'answerCount'] as const)
    comparer.equal(`${subject} ${field}`, record[field], expected[field]);
  if (expected.outcome !== 'unanswered') return;
  const waitedMs = Date.parse(record.observedAt) - Date.parse(record.queriedAt);
  if (waitedMs < givenUpAfterMs.least || waitedMs > givenUpAfterMs.most)
    comparer.problems.push(`${subject} was given up after ${waitedMs} ms`);
}

function compareClient(
  comparer: DnsComparer,
  record: DnsQuery,
  truth: Truth,
  experiment: DnsExperiment,
): void {
  const subject = `client ${truth.name} ${truth.type} ${truth.attempt}`;
  const { asker } = experiment;
  compareEnd(comparer, subject, record, truth.expected.client);
  comparer.time(`${subject} latencyUs`, comparer.clientLatency, record.latencyUs, truth.clientLatency);
  comparer.equal(`${subject} netns`, record.netns, experiment.clientNetns);
  comparer.equal(
    `${subject} process is one that asked`,
    asker.pids.includes(record.process?.pid ?? 0) || record.process?.pid,
    true,
  );
  if (asker.asked.length > 0) comparer.equal(`${subject} process name`, record.process?.name, clientName);
  const aheadUs = wallUs(record.queriedAt) - (truth.askedUs + wallOffsetUs);
  if (Math.abs(aheadUs) > wallClockToleranceUs)
    comparer.problems.push(`${subject} queriedAt is ${Math.round(aheadUs)} µs from the true time`);
  const digUs = asker.digTimesUs.get(truth.name);
  // dig tells of its last query only: over TCP, if the answer over UDP was truncated.
  if (digUs === undefined || truth.expected.client.truncated || !truth.clientLatency) return;
  comparer.digTime.push({ measuredUs: record.latencyUs ?? Number.NaN, leastUs: digUs, mostUs: digUs });
  if ((record.latencyUs ?? 0) > digUs)
    comparer.problems.push(`${subject} latencyUs is ${record.latencyUs} µs, more than dig's ${digUs} µs`);
}

function compareResolver(
  comparer: DnsComparer,
  record: DnsQuery,
  truth: Truth,
  experiment: DnsExperiment,
): void {
  const subject = `resolver ${truth.name} ${truth.type} ${truth.attempt}`;
  compareEnd(comparer, subject, record, truth.expected.resolver);
  comparer.time(`${subject} latencyUs`, comparer.resolverLatency, record.latencyUs, truth.resolverLatency);
  comparer.equal(`${subject} attempt`, record.attempt, null);
  comparer.equal(`${subject} lookupId`, record.lookupId, null);
  // Nobody is seen to send where nothing is answered, and who accepted a TCP connection is not seen either.
  if (truth.expected.resolver.outcome === 'unanswered' || record.transport === 'tcp') return;
  comparer.equal(`${subject} netns`, record.netns, experiment.serverNetns);
  comparer.equal(
    `${subject} process`,
    `${record.process?.name} ${record.process?.pid}`,
    `${serverName} ${experiment.serverPid}`,
  );
}

/** tshark's dns.time of the query's answer on one side. */
function compareDnsTime(
  comparer: DnsComparer,
  record: DnsQuery,
  truth: Truth,
  seen: readonly WitnessedDnsMessage[],
): void {
  if (record.latencyUs === null || !truth.alone) return;
  const subject = `tshark's dns.time of ${record.side} ${truth.name} ${truth.type}`;
  const answer = seen.find(
    ({ response, id, destination, name, timeSinceQueryUs }) =>
      response &&
      id === truth.id &&
      destination.port === truth.clientPort &&
      (name === undefined || name === truth.name) &&
      timeSinceQueryUs !== undefined,
  );
  const timeUs = answer?.timeSinceQueryUs;
  comparer.time(
    subject,
    comparer.dnsTime,
    record.latencyUs,
    timeUs === undefined ? null : { leastUs: timeUs, mostUs: timeUs },
  );
}

/** Whether the one who asks took so long to ask again, on a busy machine, that nobody can tell what belongs together. */
function hesitated(name: string, truths: readonly Truth[]): boolean {
  const own = truths.filter((truth) => truth.name === name);
  return own.some((truth) => {
    const before = own.find(({ type, attempt }) => type === truth.type && attempt === truth.attempt - 1);
    if (!before?.clientLatency) return false;
    return truth.askedUs - (before.askedUs + before.clientLatency.leastUs) > continuationUs;
  });
}

/** All queries of one lookup have one id, and no others have it; their attempts rise. */
function compareLookups(
  comparer: DnsComparer,
  clients: readonly { readonly record: DnsQuery; readonly truth: Truth }[],
): void {
  const ids = Map.groupBy(clients, ({ truth }) => `${truth.name} ${truth.expected.lookup}`);
  for (const { record, truth } of clients)
    comparer.equal(`client ${truth.name} ${truth.type} attempt`, record.attempt, truth.attempt);
  for (const [lookup, queries] of ids) {
    const different = new Set(queries.map(({ record }) => record.lookupId));
    comparer.equal(`number of lookupIds of ${lookup}`, different.size, 1);
  }
  const all = new Set(clients.map(({ record }) => record.lookupId));
  comparer.equal('number of lookupIds', all.size, ids.size);
  comparer.equal('a lookupId is missing', all.has(null), false);
}

/** The record of every truth: equal ones are told apart by their order. */
function pairUp(
  comparer: DnsComparer,
  side: DnsQuery['side'],
  records: readonly DnsQuery[],
  experiment: DnsExperiment,
) {
  const { clientAddress, serverAddress, truths } = experiment;
  const keyOf = (query: { name: string; type: string; id: number; clientPort: number; transport: string }) =>
    `${query.transport} ${query.name} ${query.type} ${query.id} from port ${query.clientPort}`;
  const ofSide = records
    .filter((record) => record.side === side)
    .filter(
      ({ client, server }) =>
        client.address === clientAddress && server.address === serverAddress && server.port === 53,
    )
    .toSorted((one, other) => one.queriedAt.localeCompare(other.queriedAt));
  const byKey = Map.groupBy(ofSide, ({ queryName, queryType, messageId, client, transport }) =>
    keyOf({ name: queryName, type: queryType, id: messageId, clientPort: client.port, transport }),
  );
  const truthsByKey = Map.groupBy(truths, (truth) =>
    keyOf({ ...truth, transport: truth.expected.transport }),
  );
  comparer.equal(
    `number of ${side} records`,
    records.filter((record) => record.side === side).length,
    truths.length,
  );
  return [...truthsByKey].flatMap(([key, equal]) => {
    const found = byKey.get(key) ?? [];
    comparer.equal(`number of ${side} records of ${key}`, found.length, equal.length);
    return equal.flatMap((truth, index) => {
      const record = found[index];
      return record ? [{ record, truth }] : [];
    });
  });
}

/** What tshark calls a retransmission: the ports and the ID of a query that waits for its answer, within 5 s (RETRANS_TIMER of packet-dns.c). */
function isRetransmission(truth: Truth, truths: readonly Truth[]): boolean {
  return truths.some((other) => {
    const sinceUs = truth.askedUs - other.askedUs;
    const same = other.clientPort === truth.clientPort && other.id === truth.id;
    return (
      same && sinceUs > 0 && sinceUs < Math.min(5e6, other.clientLatency?.leastUs ?? Number.POSITIVE_INFINITY)
    );
  });
}

/** tshark sees the same queries, and those of them again. */
function compareWitness(comparer: DnsComparer, { truths, witnessed }: DnsExperiment): void {
  const again = truths.filter((truth) => isRetransmission(truth, truths)).length;
  for (const side of ['a', 'b'] as const) {
    const queries = witnessed[side].filter(({ response }) => !response);
    const retransmissions = queries.filter(({ retransmission }) => retransmission);
    comparer.equal(`queries that tshark saw on side ${side}`, queries.length, truths.length);
    comparer.equal(`queries that tshark saw again on side ${side}`, retransmissions.length, again);
  }
}

/** Holds what REST reported of one case against the truth and its witnesses. */
export function compareDns(
  testCase: DnsCase,
  experiment: DnsExperiment,
  records: readonly DnsQuery[],
  nameLookups: readonly NameLookup[],
): DnsComparison {
  const comparer = new DnsComparer();
  const clients = pairUp(comparer, 'client', records, experiment);
  for (const { record, truth } of clients) {
    compareClient(comparer, record, truth, experiment);
    compareDnsTime(comparer, record, truth, experiment.witnessed.a);
  }
  for (const { record, truth } of pairUp(comparer, 'resolver', records, experiment)) {
    compareResolver(comparer, record, truth, experiment);
    compareDnsTime(comparer, record, truth, experiment.witnessed.b);
  }
  compareLookups(
    comparer,
    clients.filter(({ truth }) => !hesitated(truth.name, experiment.truths)),
  );
  compareWitness(comparer, experiment);
  comparer.equal('number of name lookups', nameLookups.length, experiment.nameLookups.size);
  for (const { name, result, latencyUs, process, netns } of nameLookups) {
    const subject = `getaddrinfo() of ${name}`;
    comparer.equal(`${subject} result`, result, testCase.lookupResult ?? 'success');
    comparer.equal(`${subject} netns`, netns, experiment.clientNetns);
    comparer.equal(
      `${subject} process`,
      `${process?.name} ${process?.pid}`,
      `getent ${experiment.asker.lookups.get(name)?.pid}`,
    );
    comparer.time(
      `${subject} latencyUs`,
      comparer.nameLookup,
      latencyUs,
      experiment.nameLookups.get(name) ?? null,
    );
  }
  return comparer;
}
