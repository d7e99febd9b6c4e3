/** What the probe cannot report of DNS it counts, and what is no query it leaves alone. */
import { afterEach, expect, it } from 'vitest';
import { type DnsRecord, DnsRecords, dnsSlot } from './dns-records.js';
import { A, answerTo, DnsTraffic, prefixed, queryMessage } from './dns-traffic.js';
import { ProbeProcess } from './probe-process.js';

/** Names that nobody else asks for at this moment, so that only they pass the filter and are counted. */
const root = `l${process.pid}.test`;
const ours = dnsSlot(0, { queryNameSuffixes: [root] });
const isOurs = ({ name }: DnsRecord) => name.endsWith(root);

const running: { end(): Promise<unknown> }[] = [];

function startProbe(...options: string[]): { probe: ProbeProcess; records: DnsRecords } {
  const probe = new ProbeProcess(...options);
  running.push(probe);
  return { probe, records: new DnsRecords(probe) };
}

async function startTraffic(...commands: readonly string[]): Promise<DnsTraffic> {
  const traffic = await DnsTraffic.start();
  running.push(traffic);
  await traffic.run(...commands);
  return traffic;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((process) => process.end()));
});

const dnsStats = (probe: ProbeProcess) => {
  const { dns } = probe.stats?.probes ?? {};
  if (!dns) throw new Error('the probe told no statistics');
  return dns;
};

const nameOf = (number: number) => `q${number}.${root}`;
const queryOf = (number: number) => queryMessage(number, { name: nameOf(number), type: A });
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

const SOCKETS = ['resolver open s udp4', 'resolver bind s 127.0.0.1 53', 'client open c udp4'];
const CONNECTED = [...SOCKETS, 'client connect c 127.0.0.1 53'];
const CONNECTION = [
  'resolver open l tcp4',
  'resolver bind l 127.0.0.1 53',
  'client open c tcp4',
  'client connect c 127.0.0.1 53',
  'resolver accept s l',
];

const ask = (number: number) => [`client send c ${queryOf(number).toString('hex')}`, 'resolver receive s'];
const answer = (number: number) => [
  `resolver reply s ${answerTo(queryOf(number)).toString('hex')}`,
  'client receive c',
];

it('accounts for every query of a flood that its table cannot hold', async () => {
  const { probe, records } = startProbe('--dns-pending-max', '64', '--dns-deadline-ms', '300');
  await probe.configure(ours);
  const floods = await Promise.all([startTraffic(...CONNECTED), startTraffic(...CONNECTED)]);
  const queries = 400;
  await Promise.all(floods.map((flood) => flood.run(...numbers(queries).flatMap(ask))));
  await records.take(1, ({ outcome }) => outcome === 'unanswered');
  await Promise.all(floods.map((flood) => flood.run(...numbers(queries).flatMap(ask))));
  await probe.configure();
  const { emitted, loss } = dnsStats(probe);
  expect(records.queries.every(isOurs)).toBe(true);
  expect(records.queries.length).toBe(emitted);
  expect(loss.pendingTableFull).toBeGreaterThan(0);
  expect(loss.unfinishedAtDetach).toBeGreaterThan(0);
  const sides = 2;
  expect(emitted + loss.pendingTableFull + loss.unfinishedAtDetach).toBe(2 * floods.length * queries * sides);
});

it('finds the queries again that have no place of their own in its table', async () => {
  const { probe, records } = startProbe('--dns-pending-max', '256');
  await probe.configure({ ...ours, dnsSides: [1] });
  const traffic = await startTraffic(...CONNECTED);
  // Two rounds, so that the second meets what the first has left behind.
  for (const round of [0, 200]) {
    const ids = numbers(200).map((number) => round + number);
    await traffic.run(...ids.flatMap(ask), ...ids.flatMap(answer));
  }
  await probe.configure();
  const { emitted, loss } = dnsStats(probe);
  expect(loss).toMatchObject({ unfinishedAtDetach: 0, ringFull: 0 });
  expect(emitted + loss.pendingTableFull).toBe(400);
  // Most find a place: four are looked at, and a fourth as many as the table has go into a map behind it.
  expect(loss.pendingTableFull).toBeLessThan(40);
  expect(records.queries.filter(({ outcome }) => outcome !== 'answered')).toEqual([]);
});

it('counts the queries under way when it detaches', async () => {
  const { probe, records } = startProbe();
  await probe.configure(ours);
  const traffic = await startTraffic(...CONNECTED, ...numbers(5).flatMap(ask));
  await traffic.run(...answer(1));
  await probe.configure();
  expect(records.queries.map(({ name, side }) => [name, side])).toEqual([
    [nameOf(1), 'resolver'],
    [nameOf(1), 'client'],
  ]);
  expect(dnsStats(probe).loss).toEqual({
    ringFull: 0,
    pendingTableFull: 0,
    unfinishedAtDetach: 8,
    tcpStream: 0,
  });
});

it('reports each query of two busy clients once on each side, and counts on when it attaches again', async () => {
  const { probe, records } = startProbe();
  const exchanges = numbers(1000).flatMap((number) => [...ask(number), ...answer(number)]);
  for (const round of [1, 2]) {
    await probe.configure(ours);
    await Promise.all([startTraffic(...CONNECTED, ...exchanges), startTraffic(...CONNECTED, ...exchanges)]);
    await probe.configure();
    expect(dnsStats(probe)).toMatchObject({ offered: round * 4000, emitted: round * 4000 });
  }
  const answered = records.queries.filter(({ outcome }) => outcome === 'answered');
  expect(answered).toHaveLength(8000);
  const once = new Set(answered.map(({ revision, side, netns, id }) => `${revision} ${side} ${netns} ${id}`));
  expect(once.size).toBe(8000);
});

it('counts the records that its ring has no room for', async () => {
  const { probe, records } = startProbe('--ring-bytes', '4096');
  await probe.configure(ours);
  const traffic = await startTraffic(...CONNECTED);
  // Nobody reads for a while: the pipe and then the ring fill up.
  probe.process.stdout?.pause();
  await traffic.run(...numbers(2000).flatMap((number) => [...ask(number), ...answer(number)]));
  probe.process.stdout?.resume();
  await probe.configure();
  const { offered, emitted, loss } = dnsStats(probe);
  expect(loss.ringFull).toBeGreaterThan(0);
  expect(offered).toBe(4000);
  expect(offered).toBe(emitted + loss.ringFull);
  expect(records.queries.length).toBe(emitted);
});

it('counts what it lost sight of on a TCP connection, and does not call it unanswered', async () => {
  const { probe, records } = startProbe('--dns-deadline-ms', '300');
  await probe.configure(ours);
  const traffic = await startTraffic(...CONNECTION);
  // STREAM_STEPS_MAX of bpf/dns/streams.bpf.h, two steps for each message.
  const followed = 64;
  const queries = prefixed(...numbers(200).map(queryOf)).toString('hex');
  await traffic.run(`client send c ${queries}`, 'resolver receive s');
  // Asked later, this one ends no sooner.
  await startTraffic(...CONNECTED, ...ask(201));
  await records.take(2, ({ name }) => name === nameOf(201));
  await probe.configure();
  const loss = { tcpStream: 2 * followed, unfinishedAtDetach: 0 };
  expect(dnsStats(probe)).toMatchObject({ emitted: 2, loss });
});

it('does not guess at TCP connections that are older than itself', async () => {
  const { probe, records } = startProbe('--dns-deadline-ms', '300');
  const over = (number: number) => [
    `client send c ${prefixed(queryOf(number)).toString('hex')}`,
    'resolver receive s',
    `resolver send s ${prefixed(answerTo(queryOf(number))).toString('hex')}`,
    'client receive c',
  ];
  const traffic = await startTraffic(...CONNECTION, ...over(1));
  await probe.configure(ours);
  const later = await startTraffic(...CONNECTED, ...ask(2));
  await traffic.run(
    ...over(3),
    `client send c ${prefixed(queryOf(4)).toString('hex')}`,
    'resolver receive s',
  );
  // By then the query of the old connection would be overdue as well.
  await records.take(2, ({ outcome }) => outcome === 'unanswered');
  await later.run(...ask(5));
  await probe.configure();
  expect(records.queries.map(({ name }) => name)).toEqual([nameOf(2), nameOf(2)]);
  expect(dnsStats(probe).loss).toMatchObject({ tcpStream: 0, unfinishedAtDetach: 2 });
});

it('counts what no DNS message is, and answers that nobody asked for', async () => {
  const { probe } = startProbe();
  // These counters know no sessions, so nobody else must use the port.
  const port = 10_000 + (process.pid % 20_000);
  await probe.configure(dnsSlot(0, { dnsPorts: [port] }));
  const traffic = await startTraffic(
    ...['resolver open s udp4', `resolver bind s 127.0.0.1 ${port}`],
    ...['client open c udp4', `client connect c 127.0.0.1 ${port}`],
  );
  const short = queryOf(1).subarray(0, 20).toString('hex');
  await traffic.run(`client send c ${short}`, 'resolver receive s', ...answer(2));
  await probe.configure();
  // Each seen on its way out and on its way in.
  expect(dnsStats(probe).ignored).toEqual({ malformed: 2, unsolicited: 2 });
});

it.each([
  { family: 4, address: '127.0.0.1' },
  { family: 6, address: '::1' },
])(
  'sums up what the full queue of a resolver could not take over IPv$family',
  async ({ family, address }) => {
    const { probe, records } = startProbe();
    await probe.configure(ours);
    const traffic = await startTraffic(
      ...[`resolver open s udp${family}`, `resolver bind s ${address} 53`, 'resolver small s'],
      ...[`client open c udp${family}`, `client connect c ${address} 53`, ...ask(1), ...answer(1)],
    );
    const send = (number: number) => `client send c ${queryOf(number).toString('hex')}`;
    await traffic.run(...numbers(60).map(send));
    await records.until(
      () => records.drops.length > 0,
      () => 'no drops came',
    );
    await traffic.run(...numbers(50).map(send));
    const [dropped] = await traffic.run(`client dropped udp${family}`);
    await probe.configure();
    const ofResolver = records.drops.filter(({ netns }) => netns === traffic.parties.netns);
    expect(dropped?.value).toBeGreaterThan(90);
    expect(ofResolver.reduce((sum, { drops }) => sum + Number(drops), 0)).toBe(dropped?.value);
    for (const drop of ofResolver) {
      expect(drop).toMatchObject({
        ...{ side: 'resolver', cause: 1, local: address, localPort: 53, slots: 1n },
        ...{ pid: traffic.parties.resolver, processName: 'dns-resolver' },
      });
      expect(drop.receiveBufferBytes).toBeGreaterThan(0);
      expect(drop.intervalUs).toBeGreaterThan(0);
      // Once a second, later on a busy machine.
      expect(drop.intervalUs).toBeLessThan(5_000_000);
    }
  },
);

it('sums up what the full queue of a client could not take', async () => {
  const { probe, records } = startProbe();
  await probe.configure(ours);
  const traffic = await startTraffic(
    ...CONNECTED,
    'client small c',
    ...ask(1),
    ...numbers(60).map((number) => answer(number)[0] ?? ''),
  );
  const [dropped] = await traffic.run('client dropped udp4');
  await probe.configure();
  expect(dropped?.value).toBeGreaterThan(50);
  expect(records.drops.filter(({ netns }) => netns === traffic.parties.netns)).toMatchObject([
    {
      ...{ side: 'client', cause: 1, drops: BigInt(dropped?.value ?? 0), local: '127.0.0.1' },
      ...{ pid: traffic.parties.client, processName: 'dns-traffic' },
    },
  ]);
});
