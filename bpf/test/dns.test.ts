import { DnsFlag } from '@synscope/probe-wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DnsExpectations, type DnsTruth } from './dns-expectations.js';
import { DnsRecords, dnsSlot } from './dns-records.js';
import { type DnsScenarioName, dnsScenarios, SCENARIO_PORTS, Stage, stageScenario } from './dns-scenarios.js';
import { DnsTraffic } from './dns-traffic.js';
import { ProbeProcess } from './probe-process.js';

/** Longer than the scenarios take to answer, on a busy machine too. */
const DEADLINE_MS = 1500;

/** Names that nobody else asks for at this moment. */
const root = `t${process.pid}.test`;

const names = Object.keys(dnsScenarios) as DnsScenarioName[];
const scenarios = new Map(names.map((name) => [name, stageScenario(name, root)]));

async function play(commands: readonly string[]): Promise<DnsTruth> {
  const traffic = await DnsTraffic.start();
  try {
    return { parties: traffic.parties, steps: await traffic.run(...commands) };
  } finally {
    await traffic.end();
  }
}

describe('every query ends in one record on each side', () => {
  let probe: ProbeProcess;
  let records: DnsRecords;
  const truths = new Map<DnsScenarioName, DnsTruth>();

  // All at once, for the unanswered ones take their time.
  beforeAll(async () => {
    probe = new ProbeProcess('--dns-deadline-ms', String(DEADLINE_MS));
    records = new DnsRecords(probe);
    await probe.configure(dnsSlot(0, { dnsPorts: SCENARIO_PORTS, queryNameSuffixes: [root] }));
    await Promise.all(
      names.map(async (name) => {
        truths.set(name, await play(scenarios.get(name)?.commands ?? []));
      }),
    );
    const expected = [...scenarios.values()].flatMap((scenario) => scenario.expected);
    const ends = expected.flatMap(({ client, resolver }) => [client, resolver]).filter(Boolean);
    await records.take(ends.length, ({ name }) => name.endsWith(root)).catch(() => undefined);
    // Whatever is more than expected comes now.
    await probe.configure();
  });

  afterAll(() => probe.end());

  it.each(names)('%s', (name) => {
    const scenario = scenarios.get(name);
    const truth = truths.get(name);
    if (!scenario || !truth) throw new Error('the scenario did not run');
    const ofScenario = records.queries.filter((record) => record.name.endsWith(`.${scenario.suffix}`));
    new DnsExpectations(truth, DEADLINE_MS * 1000).check(scenario.expected, ofScenario);
  });

  it('loses none of them', () => {
    expect(probe.stats?.probes.dns.loss).toEqual({
      ringFull: 0,
      pendingTableFull: 0,
      unfinishedAtDetach: 0,
      tcpStream: 0,
    });
  });
});

it('keeps the attempts of a lookup together while many others begin', async () => {
  const probe = new ProbeProcess();
  const records = new DnsRecords(probe);
  try {
    await probe.configure(dnsSlot(0, { dnsSides: [1], queryNameSuffixes: [root] }));
    const stage = new Stage(`many.${root}`);
    const datagrams = stage.datagramSockets();
    const lookups = Array.from({ length: 20 }, (_, i) => datagrams.ask(stage.question(`lookup-${i}`)));
    for (let i = 0; i < 100; i++) datagrams.ask(stage.question(`other-${i}`));
    stage.client('wait 100');
    for (const { question, id } of lookups) datagrams.ask(question, id);
    for (const first of lookups) datagrams.answer(first);
    await play(stage.commands);
    await probe.configure();
    expect(records.queries.map(({ outcome, attempt, flags }) => [outcome, attempt, flags])).toEqual(
      lookups.map(() => ['late', 1, DnsFlag.askedAgain]),
    );
  } finally {
    await probe.end();
  }
});
