import { DnsOutcome, DnsSide, Probe, SessionState } from '@synscope/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DatabasePool } from '../database/database-pool.js';
import { type TestFleet, testFleet } from '../testing/fleet.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let application: TestApplication;
let fleet: TestFleet;
beforeAll(async () => {
  application = await startTestApplication();
  fleet = testFleet(application);
});
afterEach(() => fleet.close());
afterAll(() => application.close());

const manyNames = (count: number) => Array.from({ length: count }, (_, index) => `n${index}.example`);

describe('a session that traces DNS', () => {
  it('reaches the agent with its filter as the protocol has it', async () => {
    const agent = await fleet.agent({ test: 'dns' });
    const { status, body: session } = await fleet.session(
      {
        selector: 'test=dns',
        probes: ['dns', 'name_lookup'],
        filter: {
          minLatencyMs: 20,
          queryNames: ['WWW.Example.COM.', '_sip._tcp.example.com'],
          queryNameSuffixes: ['Bücher.example.', 'xn--zca.de'],
          queryTypes: ['aaaa', 'TYPE65', 'TYPE65280'],
          responseCodes: ['servfail', 'RCODE11', 'RCODE3000'],
          dnsOutcomes: ['late', 'answered'],
          dnsSides: ['resolver'],
          dnsServers: ['192.0.2.53', 'fd00::/8'],
          dnsPorts: [53, 5_353],
        },
      },
      '?wait=10s',
    );
    expect(status).toBe(201);
    expect(session.spec.filter).toMatchObject({
      queryNames: ['www.example.com', '_sip._tcp.example.com'],
      queryNameSuffixes: ['xn--bcher-kva.example', 'xn--zca.de'],
      queryTypes: ['AAAA', 'HTTPS', 'TYPE65280'],
      responseCodes: ['SERVFAIL', 'DSOTYPENI', 'RCODE3000'],
      dnsServers: ['192.0.2.53', 'fd00::/8'],
    });
    expect(session.recordCounts).toEqual({ dns: 0, name_lookup: 0 });
    const desired = agent.running.get(session.id);
    expect(desired?.probes).toEqual([Probe.DNS, Probe.NAME_LOOKUP]);
    expect(desired?.filter).toMatchObject({
      minLatencyUs: 20_000n,
      queryNames: ['www.example.com', '_sip._tcp.example.com'],
      queryNameSuffixes: ['xn--bcher-kva.example', 'xn--zca.de'],
      queryTypes: [28, 65, 65_280],
      responseCodes: [2, 11, 3_000],
      dnsOutcomes: [DnsOutcome.LATE, DnsOutcome.ANSWERED],
      dnsSides: [DnsSide.RESOLVER],
      dnsPorts: [53, 5_353],
      dnsServerPrefixes: [
        { address: Buffer.from([192, 0, 2, 53]), length: 32 },
        { address: Buffer.from([0xfd, ...Array(15).fill(0)]), length: 8 },
      ],
    });
  });

  it('watches port 53 if no port is named', async () => {
    const { body } = await fleet.session({ probes: ['dns'], selector: 'test=nobody' });
    expect(body.spec.filter.dnsPorts).toEqual([53]);
  });

  it('counts the records of each probe, over the processes of the agent', async () => {
    const identity = await fleet.enrol({ test: 'counts' });
    const hello = { labels: { test: 'counts' } };
    const first = await fleet.connect(identity, { hello });
    const probes = ['tcp_handshake', 'dns'];
    const { body: session } = await fleet.session({ selector: 'test=counts', probes }, '?wait=10s');
    first.report(session.id, SessionState.RUNNING, {
      recordCount: 12n,
      recordCounts: [
        { probe: Probe.TCP_HANDSHAKE, records: 5n },
        { probe: Probe.DNS, records: 7n },
      ],
    });
    first.heartbeat();
    first.finishSending();
    await first.ended;
    const second = await fleet.connect(identity, { hello });
    await second.desired.next();
    second.finish(session.id, {
      recordCount: 3n,
      recordCounts: [
        { probe: Probe.DNS, records: 3n },
        { probe: 99 as Probe, records: 1n },
      ],
    });
    const ended = await application.call('GET', `/trace-sessions/${session.id}?wait=10s`);
    expect(ended.body.recordCounts).toEqual({ tcp_handshake: 5, dns: 10 });
    const targets = await application.call('GET', `/trace-sessions/${session.id}/targets`);
    expect(targets.body.items[0]).toMatchObject({
      recordCount: 15,
      recordCounts: { tcp_handshake: 5, dns: 10 },
    });
  });

  it('takes the single count of an older agent for handshakes', async () => {
    const agent = await fleet.agent({ test: 'older' });
    const { body: session } = await fleet.session({ selector: 'test=older' }, '?wait=10s');
    agent.finish(session.id, { recordCount: 4n });
    const ended = await application.call('GET', `/trace-sessions/${session.id}?wait=10s`);
    expect(ended.body.recordCounts).toEqual({ tcp_handshake: 4 });
  });
});

it('reads a session that an older version stored, and hands it to agents', async () => {
  const { body: session } = await fleet.session({ selector: 'test=stored' });
  await application.app.get(DatabasePool).query(
    `UPDATE trace_session SET spec = jsonb_set(spec, '{filter}',
       (spec -> 'filter') - '{queryNames,queryTypes,responseCodes,dnsOutcomes,dnsSides,dnsServers,dnsPorts}'::text[])
      WHERE id = $1`,
    [session.id],
  );
  const { body } = await application.call('GET', `/trace-sessions/${session.id}`);
  expect(body.spec).toEqual(session.spec);
  const agent = await fleet.agent({ test: 'stored' });
  await agent.desired.until(({ sessions }) => sessions.length === 1);
  expect(agent.running.get(session.id)?.filter?.dnsPorts).toEqual([53]);
});

describe('a session that traces DNS is refused', () => {
  it.each([
    [
      ['dns'],
      { roles: ['client'] },
      'roles',
      /acts on tcp_handshake only.*use dnsSides or add tcp_handshake/,
    ],
    [['dns'], { remoteCidrs: ['10.0.0.0/8'] }, 'remoteCidrs', /use dnsServers/],
    [['name_lookup'], { remotePorts: [443] }, 'remotePorts', /leave it out or add tcp_handshake/],
    [['tcp_handshake'], { queryNames: ['a.example'] }, 'queryNames', /acts on dns and name_lookup only/],
    [['name_lookup'], { queryTypes: ['A'] }, 'queryTypes', /acts on dns only/],
    [['tcp_handshake', 'name_lookup'], { dnsPorts: [5_353] }, 'dnsPorts', /acts on dns only/],
    [
      ['dns'],
      { responseCodes: ['SERVFAIL'], dnsOutcomes: ['unanswered'] },
      'responseCodes',
      /nothing can match/,
    ],
    [['dns'], { queryNameSuffixes: manyNames(10_000) }, 'queryNameSuffixes', /at most 64 .* has 10000/],
    [['dns'], { queryTypes: Array.from({ length: 33 }, (_, n) => `TYPE${n}`) }, 'queryTypes', /at most 32/],
    [['dns'], { queryNames: ['example.com', 'EXAMPLE.com.'] }, 'queryNames', /given twice/],
    [['dns'], { queryNames: ['*.example.com'] }, 'queryNames.0', /no wildcard/],
    [['dns'], { queryNames: ['a b.example'] }, 'queryNames.0', /" " does not belong/],
    [['dns'], { queryNames: ['a..example'] }, 'queryNames.0', /empty label/],
    [['dns'], { queryNames: ['.'] }, 'queryNames.0', /the root/],
    [['dns'], { queryNames: [`${'a'.repeat(64)}.example`] }, 'queryNames.0', /64 bytes, at most 63/],
    [['dns'], { queryNames: [`${'a.'.repeat(127)}b`] }, 'queryNames.0', /255 bytes.* at most 253/],
    [['dns'], { queryNames: ['℀.example'] }, 'queryNames.0', /internationalized/],
    [['dns'], { queryTypes: ['ADDRESS'] }, 'queryTypes.0', /AAAA, or TYPE65/],
    [['dns'], { queryTypes: ['TYPE65536'] }, 'queryTypes.0', /0 to 65535/],
    [['dns'], { responseCodes: ['RCODE4096'] }, 'responseCodes.0', /0 to 4095/],
    [['dns'], { dnsServers: ['10.1.2.3/8'] }, 'dnsServers.0', /write 10\.0\.0\.0\/8/],
    [['dns'], { dnsServers: ['resolver.example'] }, 'dnsServers.0', /address/],
    [['dns'], { dnsPorts: [] }, 'dnsPorts', /at least one port/],
    [['dns'], { dnsPorts: [1, 2, 3, 4, 5, 6, 7, 8, 9] }, 'dnsPorts', /at most 8/],
    [['dns'], { dnsOutcomes: ['slow'] }, 'dnsOutcomes.0', /answered, late, unanswered/],
  ])('for %j with a filter that is wrong (%#)', async (probes, filter, field, message) => {
    const { status, body } = await fleet.session({ probes, filter });
    expect(status).toBe(400);
    expect(body.errors).toEqual([{ path: `filter.${field}`, message: expect.stringMatching(message) }]);
  });
});
