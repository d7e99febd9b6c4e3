/** The probe on other kernels: one object, loaded and attached whole, with the same records as on this host. */
import {
  DnsFlag,
  FrameType,
  parseConfigured,
  parseHello,
  parseStats,
  RecordFlag,
} from '@synscope/probe-wire';
import { beforeAll, describe, expect, it } from 'vitest';
import { DnsExpectations } from '../../bpf/test/dns-expectations.js';
import { type DnsRecord, readDnsRecords } from '../../bpf/test/dns-records.js';
import {
  type DnsScenarioName,
  dnsScenarios,
  type ExpectedQuery,
  stageScenario,
  unanswered,
} from '../../bpf/test/dns-scenarios.js';
import { type ListenerRecord, readListenerRecords, sumOf } from '../../bpf/test/listener-records.js';
import type { Counters, Place } from '../../bpf/test/listener-traffic.js';
import { readLookups } from '../../bpf/test/lookup-process.js';
import { type HandshakeRecord, isOf, readRecords } from '../../bpf/test/probe-process.js';
import { GUEST_DNS_DEADLINE_MS, type GuestReport, runInGuest } from './guest.js';
import { kernelImages } from './kernel-image.js';
import { LISTENER_SCENARIOS } from './listener-scenarios.js';

const SERIES = ['5.10', '6.1', '6.12'];

interface Expectation {
  readonly client?: Partial<HandshakeRecord>;
  readonly server?: Partial<HandshakeRecord>;
  /** Of the server's record. */
  readonly flag?: number;
}

const established = { outcome: 'established', processName: 'traffic' };
const unaccepted = { outcome: 'established', acceptWaitUs: -1, pid: 0 };

const SCENARIOS: Readonly<Record<string, Expectation>> = {
  established_ipv4: { client: established, server: established },
  established_ipv6: { client: established, server: established },
  dual_stack: { client: established, server: established },
  slow_accept: { client: established, server: established },
  refused: { client: { outcome: 'refused' } },
  aborted: { client: { outcome: 'aborted' } },
  timed_out: { client: { outcome: 'timed_out', processName: 'traffic' } },
  request_reset: { client: { outcome: 'aborted' }, server: { outcome: 'reset', synAckRetransmits: 1 } },
  reset_before_accept: { client: established, server: unaccepted },
  never_accepted: { client: established, server: unaccepted, flag: RecordFlag.notYetAccepted },
  syn_cookie: { client: established, server: { ...established, latencyUs: -1 }, flag: RecordFlag.synCookie },
  simultaneous_open: { client: established },
};

/** What a kernel cannot measure. */
const MISSING: Readonly<Record<string, readonly string[]>> = {
  // Drop reasons came with 5.17.
  '5.10': ['dns.late_after_close'],
};

const DNS_NAMES = Object.keys(dnsScenarios) as DnsScenarioName[];
const DNS_SCENARIOS = new Map(DNS_NAMES.map((name) => [name, stageScenario(name, 'guest.test')]));
const LISTENERS = Object.entries(LISTENER_SCENARIOS);
const LOOKUP = 'looked-up.test';

/** Where the kernel does not tell of an answer to a closed socket, the client’s query is one without an answer. */
const withoutLateAfterClose = (query: ExpectedQuery): ExpectedQuery =>
  query.client?.flags === DnsFlag.socketClosed ? { ...query, client: unanswered } : query;

const images = await kernelImages(SERIES);

describe.each(SERIES)('Linux %s', (series) => {
  let guest: GuestReport;
  let records: HandshakeRecord[];
  let dnsRecords: DnsRecord[];
  let listenerRecords: ListenerRecord[];

  beforeAll(async () => {
    guest = await runInGuest(images.get(series) ?? '', {
      handshakes: Object.keys(SCENARIOS),
      dns: new Map([...DNS_SCENARIOS].map(([name, { commands }]) => [name, commands])),
      listeners: new Map(LISTENERS.map(([name, { commands }]) => [name, commands])),
      lookup: LOOKUP,
    });
    records = frame(FrameType.handshakes).flatMap(readRecords);
    dnsRecords = frame(FrameType.dnsQueries).flatMap(readDnsRecords);
    listenerRecords = frame(FrameType.listeners).flatMap(readListenerRecords);
  });

  const frame = (type: number) =>
    guest.frames.filter(([frameType]) => frameType === type).map(([, payload]) => payload);

  it('takes every program', () => {
    const [hello] = frame(FrameType.hello).map(parseHello);
    const unavailable = hello?.capabilities.filter(({ available }) => !available).map(({ name }) => name);
    expect(unavailable).toEqual(MISSING[series] ?? []);
    const [attached] = frame(FrameType.configured).map(parseConfigured);
    expect(attached?.errors).toEqual([]);
    expect(Object.keys(attached?.hooks ?? {})).toEqual(['tcp_handshake', 'dns', 'listener', 'name_lookup']);
    const stats = frame(FrameType.stats).map(parseStats).at(-1);
    const none = { ringFull: 0, pendingTableFull: 0 };
    expect(stats?.probes).toMatchObject({
      tcp_handshake: { loss: none },
      dns: { loss: { ...none, unfinishedAtDetach: 0, tcpStream: 0 } },
      listener: { loss: none },
      name_lookup: { loss: none },
    });
  });

  it.each(Object.entries(SCENARIOS))('records %s', (scenario, { client, server, flag }) => {
    const truth = guest.traffic.get(scenario);
    if (truth === undefined) throw new Error('the scenario did not run');
    const clients = records.filter((record) => record.role === 'client' && isOf(truth)(record));
    // A server's record may have no process; the client's ISN is in both.
    const servers = records.filter(
      ({ role, clientIsn }) => role === 'server' && clients.some((record) => record.clientIsn === clientIsn),
    );
    expect([clients.length, servers.length]).toEqual([client ? 1 : 0, server ? 1 : 0]);
    if (client) expect(clients[0]).toMatchObject(client);
    if (server) expect(servers[0]).toMatchObject(server);
    if (flag) expect((servers[0]?.flags ?? 0) & flag).toBe(flag);
  });

  it.each(DNS_NAMES)('records DNS: %s', (name) => {
    const truth = guest.dns.get(name);
    const scenario = DNS_SCENARIOS.get(name);
    if (!truth || !scenario) throw new Error('the scenario did not run');
    const late = !MISSING[series]?.includes('dns.late_after_close');
    const expected = late ? scenario.expected : scenario.expected.map(withoutLateAfterClose);
    const ofScenario = dnsRecords.filter((record) => record.name.endsWith(`.${scenario.suffix}`));
    new DnsExpectations(truth, GUEST_DNS_DEADLINE_MS * 1000).check(expected, ofScenario);
  });

  it.each(LISTENERS)('records a listener: %s', (name, { commands, expected, risen }) => {
    const answers = guest.listeners.get(name);
    if (answers === undefined) throw new Error('the scenario did not run');
    const { pid } = JSON.parse(answers[0] ?? '') as Place;
    const cookie = BigInt(answers[1 + commands.findIndex((command) => command.startsWith('listen '))] ?? '');
    const counters = JSON.parse(answers.at(-1) ?? '') as Counters;
    const own = listenerRecords.filter((record) => record.cookie === cookie);
    if (risen !== undefined) expect(counters[risen], risen).toBeGreaterThan(0);
    expect(sumOf(own)).toEqual(expected(counters));
    expect(own.map((record) => record.pid).filter((held) => held !== 0 && held !== pid)).toEqual([]);
  });

  it('records a name lookup', () => {
    const lookups = frame(FrameType.nameLookups)
      .flatMap(readLookups)
      .filter(({ name }) => name === LOOKUP);
    const { pid, netns, result, latencyNs } = guest.lookup;
    expect(lookups).toMatchObject([{ pid, netns, resultCode: result, processName: 'lookup' }]);
    expect(lookups[0]?.latencyUs).toBeLessThanOrEqual(latencyNs / 1000 + 1);
  });
});
