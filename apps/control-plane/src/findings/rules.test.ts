import type { Finding } from '@synscope/api-contract';
import { DnsOutcome, DnsSide, HandshakeOutcome, HandshakeRole } from '@synscope/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DnsQueryRecord, dnsQueryRecord } from '../testing/dns-query-record.js';
import { eventually } from '../testing/eventually.js';
import { type HandshakeRecord, handshakeRecord } from '../testing/handshake-batch.js';
import { type ListenerRecord, listenerRecord } from '../testing/listener-record.js';
import { receiveQueueDropRecord } from '../testing/receive-queue-drop-record.js';
import { ipv4 } from '../testing/record-columns.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { type TracedHost, tracedHost } from '../testing/traced-hosts.js';

// Each case has addresses of its own. All arrive together and are judged together, so that the file waits for it once.
let application: TestApplication;
const NETNS = 4_026_531_840;
const OTHER_NETNS = 4_026_532_999;

const to = (address: string, remotePort = 443) => ({ remoteAddress: ipv4(address), remotePort });
const on = (address: string, port = 443): Partial<ListenerRecord> => ({
  localAddress: ipv4(address),
  localPort: port,
});
/** A client that needed a second SYN. */
const again = (address: string, changes: Partial<HandshakeRecord> = {}) =>
  handshakeRecord({ ...to(address), synRetransmits: 1, latencyUs: 1_050_000, srttUs: 50_000, ...changes });
const inVain = (address: string, changes: Partial<HandshakeRecord> = {}) =>
  handshakeRecord({
    ...to(address),
    outcome: HandshakeOutcome.TIMED_OUT,
    synRetransmits: 2,
    latencyUs: 7_000_000,
    srttUs: null,
    serverIsn: null,
    ...changes,
  });
const served = (address: string, changes: Partial<HandshakeRecord> = {}) =>
  handshakeRecord({
    role: HandshakeRole.SERVER,
    localAddress: ipv4(address),
    localPort: 443,
    remoteAddress: ipv4('10.0.0.1'),
    remotePort: 40_000,
    processName: 'nginx',
    acceptWaitUs: 50,
    synAckRetransmits: 0,
    synRetransmits: null,
    ...changes,
  });
/** Those of one handshake, by which its ends are joined. */
const isns = (number: number) => ({ clientIsn: 1_000 + number, serverIsn: 2_000 + number });
const asked = (address: string, changes: Partial<DnsQueryRecord> = {}) =>
  dnsQueryRecord({ serverAddress: ipv4(address), ...changes });
const answeredBy = (address: string, changes: Partial<DnsQueryRecord> = {}) =>
  dnsQueryRecord({
    side: DnsSide.RESOLVER,
    serverAddress: ipv4(address),
    processName: 'unbound',
    attempt: null,
    lookupId: null,
    ...changes,
  });
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

beforeAll(async () => {
  application = await startTestApplication();
  const client = await tracedHost(application, 'web-1');
  const server = await tracedHost(application, 'db-1');
  const untraced = await tracedHost(application, 'db-2', { probes: ['tcp_handshake'] });
  const late = await tracedHost(application, 'db-3', {}, { clockOffsetUs: -3_600_000_000 });
  await eventually(
    async () => (await application.call('GET', '/metrics')).text,
    (text) => text.includes('synscope_finding_engine_active 1'),
  );
  await sendServers(server, untraced, late);
  await client.send({ handshakes: clientHandshakes(), dnsQueries: clientQueries() });
  // Judged with or after all others.
  await client.send({
    handshakes: [handshakeRecord({ ...to('192.0.2.255'), outcome: HandshakeOutcome.REFUSED })],
  });
  await eventually(
    () => codesAt('192.0.2.255'),
    (codes) => codes.length > 0,
  );
});
afterAll(() => application.close());

function clientHandshakes(): HandshakeRecord[] {
  return [
    handshakeRecord({ ...to('192.0.2.1'), outcome: HandshakeOutcome.REFUSED, latencyUs: 900 }),
    handshakeRecord({ ...to('192.0.2.1'), outcome: HandshakeOutcome.REFUSED, latencyUs: 1_100 }),
    handshakeRecord({ ...to('192.0.2.2'), outcome: HandshakeOutcome.ABORTED, latencyUs: 500_000 }),
    handshakeRecord({ ...to('192.0.2.3'), outcome: HandshakeOutcome.ABORTED, latencyUs: 250_000 }),
    again('192.0.2.4'),
    handshakeRecord({ ...to('192.0.2.5'), latencyUs: 180_000, srttUs: 180_000 }),
    // Full queues.
    again('192.0.2.10'),
    inVain('192.0.2.10', { localAddress: ipv4('10.0.0.2') }),
    again('192.0.2.11'),
    again('192.0.2.12'),
    again('192.0.2.13', { observedAtUs: Date.now() * 1_000 }),
    handshakeRecord({ ...to('192.0.2.14', 8443), synRetransmits: 1, latencyUs: 1_050_000 }),
    // Both ends are known.
    again('192.0.2.40', isns(40)),
    again('192.0.2.41', { ...isns(41), latencyUs: 1_050_000, srttUs: 1_050_000 }),
    handshakeRecord({ ...to('192.0.2.42'), ...isns(42), latencyUs: 50_000 }),
    again('192.0.2.43', isns(43)),
    again('192.0.2.44', isns(44)),
    handshakeRecord({ ...to('192.0.2.45'), ...isns(45), latencyUs: 50_000 }),
    // Nothing arrived.
    inVain('192.0.2.20'),
    handshakeRecord({ ...to('192.0.2.20', 22) }),
    inVain('192.0.2.21'),
    inVain('192.0.2.22'),
    handshakeRecord({ ...to('192.0.2.22', 22) }),
    handshakeRecord({ ...to('192.0.2.23'), outcome: HandshakeOutcome.UNREACHABLE, latencyUs: 500 }),
    handshakeRecord({ ...to('192.0.2.23', 22) }),
    handshakeRecord({ ...to('192.0.2.24'), outcome: HandshakeOutcome.UNREACHABLE, latencyUs: 3_000_000 }),
  ];
}

async function sendServers(server: TracedHost, untraced: TracedHost, late: TracedHost): Promise<void> {
  const full = { syns: 20, acceptQueueLimit: 4, acceptQueuePeak: 5, acceptQueueLength: 5 };
  await server.send({
    listeners: [
      listenerRecord({ ...on('192.0.2.10'), ...full, syns: 15, synsRefusedAcceptQueueFull: 10 }),
      // The group of a port that is in use twice: one socket is stuck.
      listenerRecord({ ...on('192.0.2.11'), ...full, socketCookie: 1, synsRefusedAcceptQueueFull: 7 }),
      listenerRecord({ ...on('192.0.2.11'), ...full, socketCookie: 2, acceptQueuePeak: 0 }),
      listenerRecord({
        ...on('192.0.2.12'),
        syns: 50,
        synsRefusedSynQueueFull: 9,
        synQueuePeak: 128,
        tcpSyncookies: 0,
      }),
      // Bound to all addresses; a record of the server shows which one it has.
      listenerRecord({ ...on('0.0.0.0', 8443), ...full, netns: OTHER_NETNS, synsRefusedAcceptQueueFull: 3 }),
      listenerRecord({ ...on('192.0.2.15'), syns: 80, synsAnsweredByCookie: 30, synQueuePeak: 256 }),
      listenerRecord({ ...on('192.0.2.16'), ...full, acksDroppedAcceptQueueFull: 4 }),
      listenerRecord({ ...on('192.0.2.17'), ...full, acksDroppedOnCookiePath: 4, synsAnsweredByCookie: 6 }),
      ...['192.0.2.40', '192.0.2.41', '192.0.2.42'].map((address) =>
        listenerRecord({ ...on(address), syns: 5 }),
      ),
      listenerRecord({ ...on('192.0.2.43'), syns: 5, synsRefusedUnexplained: 1 }),
      // Busy and well.
      listenerRecord({ ...on('192.0.2.18'), syns: 5_000, acceptQueuePeak: 300, synQueuePeak: 200 }),
      listenerRecord({ ...on('192.0.2.22'), syns: 3 }),
    ],
    handshakes: [
      served('192.0.2.14', { netns: OTHER_NETNS, localPort: 9_000 }),
      served('192.0.2.16', { synAckRetransmits: 1, latencyUs: 1_040_000 }),
      // Requests that fill the queue are part of what is found.
      served('192.0.2.12', {
        outcome: HandshakeOutcome.TIMED_OUT,
        latencyUs: null,
        synAckRetransmits: 2,
        acceptWaitUs: null,
      }),
      // The address is that of a host that is traced completely, as its other handshakes show.
      served('192.0.2.20', { localPort: 22 }),
      served('192.0.2.21', { localPort: 22, remoteAddress: ipv4('10.0.0.9') }),
      served('192.0.2.22', { localPort: 22 }),
      served('192.0.2.40', { ...isns(40), latencyUs: 50_000, srttUs: 50_000 }),
      served('192.0.2.41', { ...isns(41), latencyUs: 1_050_000, srttUs: 50_000, synAckRetransmits: 1 }),
      served('192.0.2.42', { ...isns(42), latencyUs: 1_104_000, synAckRetransmits: 1 }),
      served('192.0.2.43', { ...isns(43), latencyUs: 50_000, srttUs: 50_000 }),
      served('192.0.2.45', { ...isns(45), latencyUs: 1_104_000, synAckRetransmits: 1 }),
      served('192.0.2.30', { acceptWaitUs: 1_500_000 }),
      ...times(3, () => served('192.0.2.31', { localPort: 9_031, acceptWaitUs: 250_000 })),
      served('192.0.2.32', { localPort: 9_032, acceptWaitUs: 400_000 }),
      served('192.0.2.33', { synAckRetransmits: 1, latencyUs: 1_020_000 }),
      served('192.0.2.34', { outcome: HandshakeOutcome.RESET, synAckRetransmits: 1 }),
      served('192.0.2.35', { flags: 1, latencyUs: null, srttUs: null }),
    ],
    receiveQueueDrops: [receiveQueueDropRecord({ localAddress: ipv4('192.0.2.50') })],
    dnsQueries: resolverQueries(),
  });
  await untraced.send({
    handshakes: [
      served('192.0.2.24', { localPort: 22 }),
      served('192.0.2.44', { ...isns(44), latencyUs: 50_000, srttUs: 50_000 }),
    ],
  });
  // An hour behind.
  await late.send({
    listeners: [
      listenerRecord({
        ...on('192.0.2.13'),
        ...full,
        synsRefusedAcceptQueueFull: 2,
        observedAtUs: (Date.now() - 3_600_000) * 1_000,
      }),
    ],
  });
}

const SLOW = { elapsedUs: 900_000 };

function clientQueries(): DnsQueryRecord[] {
  return [
    asked('192.0.2.50', {
      outcome: DnsOutcome.UNANSWERED,
      elapsedUs: 300_000,
      responseCode: null,
      answerCount: null,
    }),
    // A client that is alone cannot know where a query was lost.
    asked('192.0.2.51', {
      outcome: DnsOutcome.UNANSWERED,
      elapsedUs: 300_000,
      responseCode: null,
      answerCount: null,
    }),
    // Some names are slow, each time.
    ...times(2, () => asked('192.0.2.52', { queryName: 'slow.example', ...SLOW })),
    ...times(5, (i) => asked('192.0.2.52', { queryName: `n${i}.example` })),
    // Each was slow once: nothing was cached.
    ...times(3, (i) => asked('192.0.2.53', { queryName: `cold${i}.example`, ...SLOW })),
    ...times(9, (i) => asked('192.0.2.53', { queryName: `warm${i}.example` })),
    // The resolver itself is slow with one.
    ...times(2, () => asked('192.0.2.54', { queryName: 'upstream.example', ...SLOW })),
    asked('192.0.2.54', { queryName: 'quick.example' }),
    // The server itself is slow with one, and asks nobody.
    ...times(2, () => asked('192.0.2.58', { queryName: 'own.example', ...SLOW })),
    asked('192.0.2.58', { queryName: 'quick.example' }),
    // Asked twice; the resolver saw one.
    asked('192.0.2.55', { queryName: 'lost.example', attempt: 2 }),
    asked('192.0.2.56', { queryName: 'well.example' }),
    // Slow for everything.
    ...times(6, (i) => asked('192.0.2.57', { queryName: `all${i}.example`, ...SLOW })),
  ];
}

function resolverQueries(): DnsQueryRecord[] {
  return [
    ...times(2, () => answeredBy('192.0.2.54', { queryName: 'upstream.example', elapsedUs: 880_000 })),
    ...times(2, () => asked('192.0.2.154', { queryName: 'upstream.example', elapsedUs: 870_000 })),
    answeredBy('192.0.2.54', { queryName: 'quick.example' }),
    ...times(2, () => answeredBy('192.0.2.58', { queryName: 'own.example', elapsedUs: 880_000 })),
    answeredBy('192.0.2.58', { queryName: 'quick.example' }),
    answeredBy('192.0.2.55', { queryName: 'lost.example' }),
    answeredBy('192.0.2.56', { queryName: 'well.example' }),
  ];
}

const findingsAt = async (address: string): Promise<Finding[]> =>
  (await application.call('GET', `/findings?address=${address}`)).body.items;
const codesAt = async (address: string) => (await findingsAt(address)).map(({ code }) => code).sort();
const findingAt = async (address: string, code: string): Promise<Finding> => {
  const found = (await findingsAt(address)).find((finding) => finding.code === code);
  if (!found) throw new Error(`no ${code} at ${address}: ${await codesAt(address)}`);
  return found;
};
const valueIn = ({ evidence }: Finding, observation: string) =>
  evidence.find((item) => item.observation === observation)?.value;

describe('port_closed', () => {
  it('is what a RST in answer to the SYN means', async () => {
    expect(await findingsAt('192.0.2.1')).toEqual([
      expect.objectContaining({
        code: 'port_closed',
        severity: 'warning',
        state: 'open',
        occurrences: 1,
        impact: { clients: 1, hosts: 1, handshakes: 2, addedLatencyUs: 2_000 },
      }),
    ]);
  });
});

describe('application_gave_up', () => {
  it('is what an abort after some time means', async () => {
    expect(await codesAt('192.0.2.2')).toEqual(['application_gave_up']);
  });

  it('is not the loser of a race between two addresses', async () => {
    expect(await codesAt('192.0.2.3')).toEqual([]);
  });
});

describe('accept_queue_full', () => {
  it('is found from the listener alone, counts whom it hurt, and advises by the values of that host', async () => {
    expect(await codesAt('192.0.2.10')).toEqual(['accept_queue_full']);
    const finding = await findingAt('192.0.2.10', 'accept_queue_full');
    expect(finding).toMatchObject({
      severity: 'critical',
      subject: {
        kind: 'listener',
        hostname: 'db-1',
        address: '192.0.2.10',
        port: 443,
        name: 'nginx',
        netns: NETNS,
      },
      impact: { clients: 2, hosts: 2, handshakes: 2, addedLatencyUs: 1_000_000 + 7_000_000 },
    });
    expect(valueIn(finding, 'SYNs refused because the accept queue was full')).toBe(10);
    expect(finding.advice.map(({ what, now }) => [what, now])).toEqual([
      ['listen() backlog of nginx', '4'],
      ['net.core.somaxconn', '4096'],
      ['how fast nginx calls accept()', 'up to 5 connections waited'],
    ]);
  });

  it('links to records that the API shows', async () => {
    const { evidence } = await findingAt('192.0.2.10', 'accept_queue_full');
    const links = evidence.flatMap(({ records }) => records.map(({ href }) => href));
    const answers = await Promise.all(links.map((href) => application.call('GET', href)));
    expect(answers.map(({ status }) => status)).toEqual(links.map(() => 200));
    expect(links.length).toBeGreaterThan(2);
  });

  it('is one for all sockets of a SO_REUSEPORT group, and tells which of them refuses', async () => {
    expect(await codesAt('192.0.2.11')).toEqual(['accept_queue_full']);
  });

  it('explains what clients saw of a listener for all addresses on a host that has theirs', async () => {
    expect(await codesAt('192.0.2.14')).toEqual([]);
    const finding = await findingAt('0.0.0.0', 'accept_queue_full');
    expect([
      finding.subject.netns,
      finding.impact.clients,
      valueIn(finding, 'how clients were matched'),
    ]).toEqual([OTHER_NETNS, 1, undefined]);
  });

  it('is matched to clients although the clock of the server’s host is an hour behind', async () => {
    expect(await codesAt('192.0.2.13')).toEqual(['accept_queue_full']);
    expect((await findingAt('192.0.2.13', 'accept_queue_full')).impact.clients).toBe(1);
  });

  it('is not a queue that is long and takes all', async () => {
    expect(await codesAt('192.0.2.18')).toEqual([]);
  });
});

describe('syn_queue_full', () => {
  it('is refused SYNs without cookies, with the requests that fill the queue', async () => {
    expect(await codesAt('192.0.2.12')).toEqual(['syn_queue_full']);
    const finding = await findingAt('192.0.2.12', 'syn_queue_full');
    expect([finding.impact.handshakes, finding.advice[0]]).toEqual([
      1,
      expect.objectContaining({ what: 'net.ipv4.tcp_syncookies', now: '0' }),
    ]);
  });
});

describe('syn_cookies_active', () => {
  it('is found from the listener, or from a handshake on the cookie path', async () => {
    expect(await codesAt('192.0.2.15')).toEqual(['syn_cookies_active']);
    expect(await codesAt('192.0.2.35')).toEqual(['syn_cookies_active']);
  });
});

describe('ack_dropped_by_full_queue', () => {
  it('explains handshakes that the server completed late', async () => {
    expect(await codesAt('192.0.2.16')).toEqual(['ack_dropped_by_full_queue']);
    expect((await findingAt('192.0.2.16', 'ack_dropped_by_full_queue')).impact).toMatchObject({
      handshakes: 1,
    });
  });

  it('is found on the cookie path, beside the cookies', async () => {
    expect(await codesAt('192.0.2.17')).toEqual(['ack_dropped_by_full_queue', 'syn_cookies_active']);
  });
});

describe('slow_accept', () => {
  it('is one long wait, or many of them', async () => {
    expect(await codesAt('192.0.2.30')).toEqual(['slow_accept']);
    expect(await codesAt('192.0.2.31')).toEqual(['slow_accept']);
  });

  it('is not a single wait that is not that long', async () => {
    expect(await codesAt('192.0.2.32')).toEqual([]);
  });
});

describe('filtered', () => {
  it('is a port whose SYNs vanish before a host that is traced, while another port answers', async () => {
    expect(await codesAt('192.0.2.20')).toEqual(['filtered']);
  });

  it('is a refusal by ICMP while another port answers', async () => {
    expect(await codesAt('192.0.2.23')).toEqual(['filtered']);
  });

  it('is not said where other SYNs came to that port meanwhile', async () => {
    expect(await codesAt('192.0.2.22')).toEqual(['unexplained']);
  });
});

describe('syn_lost_on_path', () => {
  it('is SYNs that all vanish before a host that is traced, when no other port answers either', async () => {
    expect(await codesAt('192.0.2.21')).toEqual(['syn_lost_on_path']);
  });
});

describe('both ends of a handshake', () => {
  it('tell a lost SYN, when the listener refused none', async () => {
    expect(await codesAt('192.0.2.40')).toEqual(['syn_lost_on_path']);
    const { subject, impact } = await findingAt('192.0.2.40', 'syn_lost_on_path');
    expect([subject.kind, subject.hostname, impact]).toEqual([
      'path',
      'db-1',
      { clients: 1, hosts: 2, handshakes: 1, addedLatencyUs: 1_000_000 },
    ]);
  });

  it('tell a lost SYN-ACK', async () => {
    expect(await codesAt('192.0.2.41')).toEqual(['synack_lost']);
  });

  it('tell a lost third packet, when the listener dropped none', async () => {
    expect(await codesAt('192.0.2.42')).toEqual(['ack_lost']);
  });

  it('do not tell who lost a SYN where the listener refused some and did not say why', async () => {
    expect(await codesAt('192.0.2.43')).toEqual(['unexplained']);
  });

  it('do not tell who lost a packet where the listener is not traced', async () => {
    expect(await codesAt('192.0.2.44')).toEqual(['unexplained']);
    expect(await codesAt('192.0.2.45')).toEqual(['unexplained']);
  });
});

describe('resolver_overloaded', () => {
  it('is found from the drops alone, and explains queries that came to nothing', async () => {
    expect(await codesAt('192.0.2.50')).toEqual(['resolver_overloaded']);
    const finding = await findingAt('192.0.2.50', 'resolver_overloaded');
    expect([finding.subject.kind, finding.subject.name, finding.impact.handshakes]).toEqual([
      'resolver',
      'unbound',
      1,
    ]);
  });
});

describe('name_slow', () => {
  it('is a name that is slow each time', async () => {
    expect(await codesAt('192.0.2.52')).toEqual(['name_slow']);
    expect((await findingAt('192.0.2.52', 'name_slow')).subject.name).toBe('slow.example');
  });

  it('is not names that are slow once', async () => {
    expect(await codesAt('192.0.2.53')).toEqual([]);
  });
});

describe('resolver_slow_upstream', () => {
  it('is a resolver that waits for another server over some names', async () => {
    expect(await codesAt('192.0.2.54')).toEqual(['resolver_slow_upstream']);
    const finding = await findingAt('192.0.2.54', 'resolver_slow_upstream');
    expect(valueIn(finding, 'the server that it waited for')).toBe('192.0.2.154:53');
  });

  it('is not a server that asks nobody and is slow itself', async () => {
    expect(await codesAt('192.0.2.58')).toEqual(['name_slow']);
  });
});

describe('dns_lost_on_path', () => {
  it('is a query that was asked twice and seen once', async () => {
    expect(await codesAt('192.0.2.55')).toEqual(['dns_lost_on_path']);
  });

  it('is nothing where all is well', async () => {
    expect(await codesAt('192.0.2.56')).toEqual([]);
  });
});

describe('unexplained', () => {
  it('is a SYN that was sent again, when the server is not traced', async () => {
    expect(await codesAt('192.0.2.4')).toEqual(['unexplained']);
    const finding = await findingAt('192.0.2.4', 'unexplained');
    expect(valueIn(finding, 'what would explain it')).toBe(
      'the server’s side: no record shows that its host is traced',
    );
  });

  it('is not what is merely far away', async () => {
    expect(await codesAt('192.0.2.5')).toEqual([]);
  });

  it('is a host that cannot be reached, when nothing else there answers', async () => {
    expect(await codesAt('192.0.2.24')).toEqual(['unexplained']);
  });

  it('is a SYN-ACK that was sent again, when the client is not traced', async () => {
    expect(await codesAt('192.0.2.33')).toEqual(['unexplained']);
  });

  it('is not a client that does not want the connection any more', async () => {
    expect(await codesAt('192.0.2.34')).toEqual([]);
  });

  it('is a query without an answer, when the resolver is not traced', async () => {
    expect(await codesAt('192.0.2.51')).toEqual(['unexplained']);
  });

  it('is a server that is slow with every name', async () => {
    expect(await codesAt('192.0.2.57')).toEqual(['unexplained']);
  });
});

describe('POST /diagnoses', () => {
  const diagnose = (body: object) => application.call('POST', '/diagnoses', { body });

  it('answers as the findings do, with what each cause explains', async () => {
    const { status, body } = await diagnose({ destination: '192.0.2.10:443', source: 'web-1', since: '5m' });
    expect([status, body.code, body.subject.hostname, body.advice[0].now]).toEqual([
      200,
      'accept_queue_full',
      'db-1',
      '4',
    ]);
    expect(body.breakdown).toEqual([{ code: 'accept_queue_full', handshakes: 2, addedLatencyUs: 8_000_000 }]);
    expect(body.missing).toEqual(['the server’s side is not traced']);
  });

  it.each([
    ['192.0.2.1', 'port_closed', []],
    ['192.0.2.40:443', 'syn_lost_on_path', []],
    [
      '192.0.2.4',
      'unexplained',
      ['the server’s side is not traced', 'the server’s listeners are not traced (probe listener)'],
    ],
    [
      '192.0.2.5',
      'nothing_slow',
      ['the server’s side is not traced', 'the server’s listeners are not traced (probe listener)'],
    ],
    ['192.0.2.50', 'resolver_overloaded', ['the resolver’s side is not traced']],
    ['slow.example', 'name_slow', []],
  ])('says of %s: %s', async (destination, code, missing) => {
    const { body } = await diagnose({ destination, since: '5m' });
    expect([body.code, body.missing]).toEqual([code, expect.arrayContaining(missing)]);
  });

  it('says that there is nothing to go by, and what is missing', async () => {
    const { body } = await diagnose({ destination: '203.0.113.1:80' });
    expect([body.code, body.examined.records, body.evidence]).toEqual(['no_data', 0, []]);
    expect(body.missing).toContain('the server’s side is not traced');
  });

  it.each([
    [{ destination: '192.0.2.1:0' }, 'destination'],
    [{ destination: 'example.com:80' }, 'destination'],
    [{ destination: 'no such name' }, 'destination'],
    [{ destination: '192.0.2.1', source: 'nobody' }, 'source'],
    [{ destination: '192.0.2.1', since: '25h' }, 'since'],
    [{}, 'destination'],
  ])('refuses %j and names the field', async (body, path) => {
    const answer = await diagnose(body);
    expect([answer.status, answer.body.errors[0].path]).toEqual([400, path]);
  });
});
