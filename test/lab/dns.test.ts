import { describe, test } from 'vitest';
import { DnsReflector } from './dns-reflector.ts';
import { runDnsperf } from './dnsperf.ts';
import { datagramDrops } from './kernel-account.ts';
import { type Family, Lab, labUnavailable } from './lab.ts';
import { dig, glibcLookup } from './stub-resolvers.ts';

const families: readonly Family[] = ['ipv4', 'ipv6'];
const at = (address: string) => `@${address}`;

describe.skipIf(labUnavailable())('DNS in the network lab', { concurrent: true }, () => {
  test.for(families)(
    'over %s a query takes as long as its name says, by dig, tshark and the relay',
    async (family, { expect }) => {
      await using lab = await Lab.create({ delayUs: 5_000 });
      const server = await lab.dnsServer('b');
      const capture = await lab.capture('a');
      const answer = await dig(
        lab.relay.namespace('a').path,
        at(lab.address('b', family)),
        'd100.a.test',
        'AAAA',
      );
      expect(answer.status).toBe('NOERROR');
      const packets = await lab.relay.packets();
      const [query, response] = packets.filter(({ kind }) => kind === 'udp');
      const onTheWireUs = (response?.sentUs ?? 0) - (query?.arrivedUs ?? 0);
      const [sent] = await server.untilAnswers(1);
      const atTheServerUs = (sent?.sentUs ?? 0) - (sent?.receivedUs ?? 0);
      // What was injected, and what the machine may add to it while other tests run.
      expect(atTheServerUs).toBeGreaterThanOrEqual(100_000);
      expect(atTheServerUs).toBeLessThan(150_000);
      expect(onTheWireUs - atTheServerUs).toBeGreaterThanOrEqual(10_000);
      expect(answer.queryTimeUs).toBeGreaterThanOrEqual(onTheWireUs);
      const [asked, answered, ...more] = await capture.dnsMessages(packets.length);
      expect(more).toEqual([]);
      expect(asked).toMatchObject({ response: false, name: 'd100.a.test', type: 28, id: query?.messageId });
      expect(answered).toMatchObject({ response: true, responseCode: 0, answerCount: 1 });
      // The capture's clock and the relay's are read within the same hand-over.
      expect(Math.abs((answered?.timeSinceQueryUs ?? 0) - onTheWireUs)).toBeLessThan(5_000);
    },
  );

  test.for([
    ['servfail.a.test/A', { rcode: 2, answers: 0 }],
    ['nxdomain.a.test/AAAA', { rcode: 3, answers: 0 }],
    ['refused.a.test/A', { rcode: 5, answers: 0 }],
    ['tc.a.test/A', { truncated: true, answers: 0 }],
    ['cname64.a.test/AAAA', { rcode: 0, answers: 65 }],
    ['otherquestion.a.test/A', { index: -1 }],
    ['noquestion.a.test/A', { index: -1 }],
    ['a\\027\\200b.test/A', { rcode: 0, answers: 1 }],
  ] as const)('%s is answered as its name says', async ([question, answer], { expect }) => {
    await using lab = await Lab.create();
    await lab.dnsServer('b');
    const client = await lab.dnsClient('a', {
      address: lab.address('b', 'ipv6'),
      questions: [question],
      timeoutMs: 'index' in answer ? 300 : 5_000,
    });
    await client.done();
    expect(client.received).toEqual([expect.objectContaining({ index: 0, ...answer })]);
    expect(`${client.asked[0]?.name}/`).toBe(question.replace(/A+$/, ''));
  });

  test.for(families)(
    'over %s an answer from elsewhere reaches only an unconnected socket',
    async (family, { expect }) => {
      await using lab = await Lab.create();
      await lab.dnsServer('b');
      const options = {
        address: lab.address('b', family),
        questions: ['elsewhere.a.test/A'],
        timeoutMs: 300,
      };
      const [unconnected, connected] = await Promise.all([
        lab.dnsClient('a', options),
        lab.dnsClient('a', { ...options, connected: true }),
      ]);
      await Promise.all([unconnected.done(), connected.done()]);
      expect(unconnected.received).toMatchObject([
        { index: -1, from: { address: lab.elsewhereAddress('b', family), port: 53 } },
      ]);
      expect(connected.received).toEqual([]);
      expect(
        (await lab.relay.packets()).filter(({ from, kind }) => from === 'b' && kind === 'udp'),
      ).toHaveLength(2);
    },
  );

  test('what is truncated over UDP is asked again over TCP by dig, and over TCP only answered there', async ({
    expect,
  }) => {
    await using lab = await Lab.create();
    const server = await lab.dnsServer('b');
    const server4 = at(lab.address('b', 'ipv4'));
    const { path } = lab.relay.namespace('a');
    const truncated = await dig(path, server4, 'tc.split.cname3.a.test');
    expect(truncated.text).toContain('retrying in TCP mode');
    expect(truncated.text).toContain('192.0.2.53');
    expect((await server.untilAnswers(2)).map(({ transport }) => transport)).toEqual(['udp', 'tcp']);
    const silent = await dig(path, server4, 'tcponly.a.test', '+tries=1', '+time=1');
    expect(silent.status).toBeUndefined();
    const overTcp = await dig(path, server4, 'tcponly.a.test', '+tcp');
    expect(overTcp.status).toBe('NOERROR');
  });

  test('several messages over one TCP connection, each in three segments, are told apart', async ({
    expect,
  }) => {
    await using lab = await Lab.create();
    await lab.dnsServer('b');
    const capture = await lab.capture('a');
    const client = await lab.dnsClient('a', {
      address: lab.address('b', 'ipv6'),
      questions: ['d100.split.a.test/A', 'b.test/AAAA'],
      tcp: true,
      split: true,
    });
    await client.done();
    expect(client.received).toMatchObject([
      { index: 1, rcode: 0 },
      { index: 0, rcode: 0 },
    ]);
    const segments = (await lab.relay.packets()).filter(({ kind }) => kind === 'data');
    expect(segments.filter(({ from }) => from === 'a')).toHaveLength(6);
    expect(segments.filter(({ from }) => from === 'b')).toHaveLength(4);
    const messages = await capture.dnsMessages((await lab.relay.packets()).length);
    expect(messages.map(({ response, name }) => `${response ? 'answer' : 'query'} ${name}`)).toEqual([
      'query d100.split.a.test',
      'query b.test',
      'answer b.test',
      'answer d100.split.a.test',
    ]);
  });

  test.for(families)(
    'over %s glibc asks again with the same IDs from the same socket, so that only the order tells the answers apart',
    async (family, { expect }) => {
      await using lab = await Lab.create();
      const server = await lab.dnsServer('b');
      const lookup = await glibcLookup(lab.relay.namespace('a').path, 'first1500.a.test', {
        nameserver: lab.address('b', family),
        timeout: 1,
        attempts: 2,
      });
      expect(lookup.addresses.toSorted()).toEqual(['192.0.2.53', '2001:db8::53']);
      const queries = await server.untilQueries(4);
      expect(queries.map(({ type }) => type)).toEqual([1, 28, 1, 28]);
      expect(queries.slice(2).map(({ id }) => id)).toEqual(queries.slice(0, 2).map(({ id }) => id));
      expect(new Set(queries.map(({ client }) => client.port)).size).toBe(1);
      // The late answers come all the same.
      await server.untilAnswers(4);
    },
  );

  test('dnsmasq takes as long as the server that it asks', async ({ expect }) => {
    await using lab = await Lab.create();
    const upstream = await lab.dnsServer('b', { addresses: ['127.0.0.1'] });
    await lab.dnsmasq('b', 'ipv4', '127.0.0.1');
    const answer = await dig(
      lab.relay.namespace('a').path,
      at(lab.address('b', 'ipv4')),
      'd200.cname2.a.test',
    );
    expect(answer).toMatchObject({ status: 'NOERROR' });
    expect(answer.queryTimeUs).toBeGreaterThanOrEqual(200_000);
    expect(upstream.queries).toMatchObject([{ name: 'd200.cname2.a.test' }]);
  });

  test('a server that reads nothing loses what its receive queue cannot hold', async ({ expect }) => {
    await using lab = await Lab.create();
    const server = await lab.dnsServer('b', { addresses: [lab.address('b', 'ipv4')], receiveBuffer: 4_096 });
    server.suspend();
    const client = await lab.dnsClient('a', {
      address: lab.address('b', 'ipv4'),
      questions: Array.from({ length: 50 }, (_, index) => `q${index}.test/A`),
      timeoutMs: 100,
    });
    await client.done();
    await expect.poll(async () => (await lab.relay.packets()).length).toBe(50);
    const drops = await datagramDrops(lab.relay.namespace('b').path, 53);
    expect(drops).toBeGreaterThan(0);
    server.resume();
    await server.untilQueries(50 - drops);
    expect(server.queries).toHaveLength(50 - drops);
  });

  test('the reflector answers every query of dnsperf', async ({ expect }) => {
    await using lab = await Lab.create();
    const { path } = lab.relay.namespace('a');
    await using reflector = await DnsReflector.start(path, { address: '127.0.0.1' });
    const result = await runDnsperf(path, { server: reflector.address, queriesPerSecond: 2_000, seconds: 1 });
    expect(result.sent).toBeGreaterThan(1_800);
    expect(result).toMatchObject({ completed: result.sent, lost: 0 });
    expect(await reflector.stop()).toBe(result.sent);
  });
});
