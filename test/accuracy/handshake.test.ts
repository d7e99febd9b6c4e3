import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Family, labUnavailable } from '../lab/lab.js';
import type { Handshake, TraceSession } from '../stack/answers.js';
import type { Api } from '../stack/api.js';
import { allHandshakes, stopSession } from '../stack/sessions.js';
import { Stack } from '../stack/stack.js';
import { until } from '../stack/until.js';
import { areJoined, compareBothEnds, detailsOf } from './handshake/both-ends.js';
import { accuracyCases } from './handshake/cases.js';
import { compare } from './handshake/compare.js';
import {
  type Experiment,
  lossyConnections,
  oneWayDelayUs,
  runExperiment,
  runLossyExperiment,
} from './handshake/experiment.js';
import { formatBothEnds, formatDocument, formatTable, type Row } from './handshake/report.js';

const families: readonly Family[] = ['ipv4', 'ipv6'];
const combinations = accuracyCases.flatMap((testCase) => families.map((family) => ({ testCase, family })));
// Others may run labs of the same address ranges at the same time, and this session sees their connections, too.
const labNetworks = ['198.18.0.0/15', '2001:2::/48'];
const labs = combinations.length + families.length;
const firstLab = (process.pid % Math.floor(512 / labs)) * labs;

describe.skipIf(labUnavailable())('handshake records against the injected truth', () => {
  const rows = new Map<string, Row>();
  let stack: Stack;
  let api: Api;
  let session: TraceSession;
  const experiments: Omit<Experiment, 'truths'>[] = [];
  let expectedRecords = 0;

  beforeAll(async () => {
    stack = await Stack.start();
    api = await stack.api();
    session = await api.post<TraceSession>('/api/v1/trace-sessions?wait=30s', {
      name: 'accuracy',
      probes: ['tcp_handshake'],
      filter: { remoteCidrs: labNetworks },
      durationSeconds: 600,
    });
    expect(session.targets).toMatchObject({ matched: 1, running: 1 });
  }, 180_000);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  });

  /** The records of an experiment's connections, once there are as many as there should be (or after a while, for the comparison to tell). */
  async function recordsOf(experiment: Omit<Experiment, 'truths'>, expected: number) {
    const { clientAddress, serverAddress, clientNetns, serverNetns } = experiment;
    const sessionId = session.id;
    let found: readonly Handshake[] = [];
    await until('records', async () => {
      const clients = await allHandshakes(api, { sessionId, role: 'client', remoteAddress: serverAddress });
      const servers = await allHandshakes(api, { sessionId, role: 'server', remoteAddress: clientAddress });
      found = [...clients, ...servers].filter(
        ({ netns }) => netns === null || netns === clientNetns || netns === serverNetns,
      );
      return found.length >= expected || undefined;
    }).catch(() => undefined);
    return found;
  }

  test.concurrent.for(combinations)(
    '$testCase.name over $family: both sides report what happened, alone and together, within 1 ms or 1 %',
    { timeout: 60_000 },
    async ({ testCase, family }, { expect }) => {
      const index = combinations.findIndex((other) => other.testCase === testCase && other.family === family);
      const experiment = await runExperiment(testCase, family, firstLab + index);
      const { truths } = experiment;
      const expected = truths.length * (testCase.server === null ? 1 : 2);
      const records = await recordsOf(experiment, expected);
      const comparison = compare(testCase, experiment, records);
      const details = await detailsOf(api, records, { joined: areJoined(testCase) });
      const bothEnds = compareBothEnds(testCase, experiment, details);
      experiments.push(experiment);
      expectedRecords += expected;
      rows.set(`${testCase.name} ${family}`, { testCase, family, comparison, bothEnds });
      expect([...comparison.problems, ...bothEnds.problems]).toEqual([]);
    },
  );

  test.for(families)(
    'of many connections over a lossy %s path each side reports every handshake that tshark saw there, once',
    { timeout: 120_000 },
    async (family) => {
      const number = firstLab + combinations.length + families.indexOf(family);
      const experiment = await runLossyExperiment(family, number);
      const records = await recordsOf(experiment, 2 * lossyConnections);
      experiments.push(experiment);
      expectedRecords += 2 * lossyConnections;
      const reported = (role: Handshake['role']) => records.filter((record) => record.role === role);
      // As sorted text, since one difference among hundreds is then what the failure shows.
      expect(
        reported('client')
          .map(({ local, synRetransmits }) => `${local.port}: ${synRetransmits} SYNs again`)
          .sort(),
      ).toEqual(
        experiment.witnessed.a.map(({ client, syns }) => `${client.port}: ${syns - 1} SYNs again`).sort(),
      );
      expect(
        reported('server')
          .map(({ remote, synAckRetransmits }) => `${remote.port}: ${synAckRetransmits} SYN-ACKs again`)
          .sort(),
      ).toEqual(
        experiment.witnessed.b
          .map(({ client, synAcks }) => `${client.port}: ${synAcks - 1} SYN-ACKs again`)
          .sort(),
      );
      const peers = (await detailsOf(api, records, { joined: true })).map(({ id, peer }) => [
        id,
        peer?.match,
        peer?.handshakeId,
      ]);
      expect(peers.filter(([, match]) => match !== 'exact')).toEqual([]);
      expect(new Set(peers.map(([, , peer]) => peer))).toEqual(new Set(peers.map(([id]) => id)));
      expect(experiment.witnessed.a.some(({ syns }) => syns > 1)).toBe(true);
      expect(experiment.witnessed.b.some(({ synAcks }) => synAcks > 1)).toBe(true);
    },
  );

  test('a session that has ended holds one record of each handshake and side, none more, and none was lost', async () => {
    const ended = await stopSession(api, session);
    expect(ended.state).toBe('stopped');
    expect(ended.loss.records).toBe(0);
    const found = await Promise.all(experiments.map((experiment) => recordsOf(experiment, 0)));
    expect(found.flat()).toHaveLength(expectedRecords);
  });

  test('what lasts one round trip is never shorter than the delay that was injected, and at its fastest not 1 ms longer', () => {
    const measuredUs = [...rows.values()].flatMap(({ testCase: { roundTrip }, comparison }) => [
      ...(roundTrip.includes('client') ? comparison.clientLatency : []),
      ...(roundTrip.includes('server') ? comparison.serverLatency : []),
    ]);
    // A relay on a busy machine hands single packets on late, but none early.
    const fastestUs = Math.min(...measuredUs.map((pair) => pair.measuredUs));
    expect(fastestUs).toBeGreaterThanOrEqual(2 * oneWayDelayUs);
    expect(fastestUs).toBeLessThan(2 * oneWayDelayUs + 1_000);
  });

  test('the figures are printed, and written to docs/accuracy.md on demand', async () => {
    const inOrder = combinations.flatMap(
      ({ testCase, family }) => rows.get(`${testCase.name} ${family}`) ?? [],
    );
    console.log(formatTable(inOrder));
    console.log(formatBothEnds(inOrder));
    if (process.env['SYNSCOPE_WRITE_REPORT'] === '1') {
      expect(inOrder).toHaveLength(combinations.length);
      await writeFile(
        join(import.meta.dirname, '../../docs/accuracy.md'),
        formatDocument(inOrder, new Date()),
      );
    }
  });
});
