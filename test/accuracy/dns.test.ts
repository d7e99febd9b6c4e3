import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Family, Lab, labUnavailable } from '../lab/lab.js';
import { dig } from '../lab/stub-resolvers.js';
import type { DnsQuery, NameLookup, ReceiveQueueDrop, TraceSession } from '../stack/answers.js';
import type { Api } from '../stack/api.js';
import { allRecords, stopSession } from '../stack/sessions.js';
import { Stack } from '../stack/stack.js';
import { until } from '../stack/until.js';
import { type DnsCase, dnsCases } from './dns/cases.js';
import { compareDns } from './dns/compare.js';
import { type DnsExperiment, runDnsExperiment } from './dns/experiment.js';
import { type DnsRow, formatDnsDocument, formatDnsTable } from './dns/report.js';

const families: readonly Family[] = ['ipv4', 'ipv6'];
const combinations = dnsCases.flatMap((testCase) => families.map((family) => ({ testCase, family })));
type Combination = (typeof combinations)[number];
// Others may ask their DNS servers at the same time.
const suffix = `p${process.pid}.accuracy.test`;
const labs = combinations.length + 1;
const firstLab = (process.pid % Math.floor(512 / labs)) * labs;
/** How many labs run at once: more of them disturb each other's times on two processors. */
const parallelLabs = 4;

const suffixOf = (combination: Combination) => `c${combinations.indexOf(combination)}.${suffix}`;
const queriesOf = ({ names, queries }: DnsCase) => names * queries.length;

/** Runs all of them, a few at a time; each can be awaited by itself. */
function runAll(): ReadonlyMap<Combination, Promise<DnsExperiment>> {
  const waiting = combinations.map((combination) => ({
    combination,
    ...Promise.withResolvers<DnsExperiment>(),
  }));
  const results = new Map(waiting.map(({ combination, promise }) => [combination, promise]));
  // Whoever awaits a result sees its error; until then it is nobody's.
  for (const promise of results.values()) promise.catch(() => undefined);
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { combination, resolve, reject } = next;
      const number = firstLab + combinations.indexOf(combination);
      await runDnsExperiment(combination.testCase, combination.family, number, suffixOf(combination)).then(
        resolve,
        reject,
      );
    }
  };
  for (let i = 0; i < parallelLabs; i++) void work();
  return results;
}

describe.skipIf(labUnavailable())('DNS records against the injected truth', () => {
  const rows = new Map<Combination, DnsRow>();
  let stack: Stack;
  let api: Api;
  let session: TraceSession;
  let experiments: ReadonlyMap<Combination, Promise<DnsExperiment>>;
  let expectedRecords = 0;

  beforeAll(async () => {
    stack = await Stack.start();
    api = await stack.api();
    session = await api.post<TraceSession>('/api/v1/trace-sessions?wait=30s', {
      name: 'accuracy',
      probes: ['dns', 'name_lookup'],
      filter: { queryNameSuffixes: [suffix] },
      durationSeconds: 600,
    });
    expect(session.targets).toMatchObject({ matched: 1, running: 1 });
    experiments = runAll();
  }, 180_000);

  afterAll(async () => {
    // None may outlive the stack that sees it.
    await Promise.allSettled(experiments?.values() ?? []);
    await stack?.[Symbol.asyncDispose]();
  }, 180_000);

  /** The records of the names below a suffix, once there are as many as there should be (or after a while, for the comparison to tell). */
  async function recordsBelow(queryNameSuffix: string, expected: number): Promise<readonly DnsQuery[]> {
    let found: readonly DnsQuery[] = [];
    await until(
      'records',
      async () => {
        found = await allRecords<DnsQuery>(api, 'dns-queries', { sessionId: session.id, queryNameSuffix });
        return found.length >= expected || undefined;
      },
      45_000,
    ).catch(() => undefined);
    return found;
  }

  test.for(combinations)(
    '$testCase.name over $family: both sides report every query once, as it was, within 1 ms or 1 %',
    { timeout: 180_000 },
    async (combination) => {
      const { testCase, family } = combination;
      const experiment = await experiments.get(combination);
      if (!experiment) throw new Error('it did not run');
      const records = await recordsBelow(suffixOf(combination), 2 * queriesOf(testCase));
      const nameLookups = await allRecords<NameLookup>(api, 'name-lookups', {
        sessionId: session.id,
        nameSuffix: suffixOf(combination),
      });
      const comparison = compareDns(testCase, experiment, records, nameLookups);
      expectedRecords += 2 * queriesOf(testCase);
      rows.set(combination, { testCase, family, comparison });
      expect(comparison.problems).toEqual([]);
    },
  );

  test.for(families)(
    'over %s the datagrams that a full receive queue lost are reported, all of them',
    async (family) => {
      const combination = combinations.find((other) => other.testCase.suspended && other.family === family);
      const experiment = combination && (await experiments.get(combination));
      if (!experiment) throw new Error('no case fills a receive queue');
      expect(experiment.drops).toBeGreaterThan(0);
      const drops = await until('all drops', async () => {
        const items = await allRecords<ReceiveQueueDrop>(api, 'receive-queue-drops', {
          sessionId: session.id,
          localAddress: experiment.serverAddress,
        });
        const sum = items.reduce((total, item) => total + item.drops, 0);
        return sum >= experiment.drops ? items : undefined;
      });
      expect(drops.reduce((total, item) => total + item.drops, 0)).toBe(experiment.drops);
      for (const drop of drops)
        expect(drop).toMatchObject({
          side: 'resolver',
          cause: 'buffer_full',
          local: { address: experiment.serverAddress, port: 53 },
          netns: experiment.serverNetns,
        });
    },
  );

  test('of a resolver that asks another server four records tell where the time went', async () => {
    await using lab = await Lab.create({ number: firstLab + combinations.length, delayUs: 5_000 });
    const upstream = await lab.dnsServer('b', { addresses: ['127.0.0.1'] });
    const resolver = await lab.dnsmasq('b', 'ipv4', '127.0.0.1');
    const name = `d100.dnsmasq.${suffix}`;
    const resolverAddress = lab.address('b', 'ipv4');
    const answer = await dig(lab.relay.namespace('a').path, `@${resolverAddress}`, name, 'AAAA');
    expect(answer.status).toBe('NOERROR');
    const records = await recordsBelow(name, 4);
    expectedRecords += 4;
    const found = (side: DnsQuery['side'], server: string) =>
      records.filter((record) => record.side === side && record.server.address === server);
    const [[atClient], [atResolver], [toUpstream], [atUpstream]] = [
      found('client', resolverAddress),
      found('resolver', resolverAddress),
      found('client', '127.0.0.1'),
      found('resolver', '127.0.0.1'),
    ];
    expect(records).toHaveLength(4);
    expect(atClient).toMatchObject({ process: { pid: answer.pid }, outcome: 'answered', queryType: 'AAAA' });
    expect(atResolver).toMatchObject({ process: { pid: resolver.pid, name: 'dnsmasq' } });
    expect(toUpstream).toMatchObject({ process: { pid: resolver.pid, name: 'dnsmasq' }, attempt: 1 });
    expect(atUpstream).toMatchObject({ process: { pid: upstream.pid } });
    const inside = [
      answer.queryTimeUs,
      ...[atClient, atResolver, toUpstream, atUpstream].map((record) => record?.latencyUs),
      100_000,
    ];
    expect(inside).toEqual(inside.toSorted((one, other) => (other ?? 0) - (one ?? 0)));
    expect((atClient?.latencyUs ?? 0) - (atResolver?.latencyUs ?? 0)).toBeGreaterThanOrEqual(10_000);
  });

  test('a session that has ended holds one record of each query and side, none more, and none was lost', async () => {
    const ended = await stopSession(api, session);
    expect(ended.state).toBe('stopped');
    expect(ended.loss).toEqual({ records: 0, intervals: [] });
    expect(await recordsBelow(suffix, 0)).toHaveLength(expectedRecords);
  });

  test('the figures are printed, and written to docs/dns-accuracy.md on demand', async () => {
    const inOrder = combinations.flatMap((combination) => rows.get(combination) ?? []);
    console.log(formatDnsTable(inOrder));
    if (process.env['SYNSCOPE_WRITE_REPORT'] === '1') {
      expect(inOrder).toHaveLength(combinations.length);
      await writeFile(
        join(import.meta.dirname, '../../docs/dns-accuracy.md'),
        formatDnsDocument(inOrder, new Date()),
      );
    }
  });
});
