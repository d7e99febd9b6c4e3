import type { SlotSpec } from '@synscope/probe-wire';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DnsRecord, DnsRecords, dnsSlot, type Outcome } from './dns-records.js';
import { A, AAAA, answerTo, BADVERS, DnsTraffic, NXDOMAIN, queryMessage, SERVFAIL } from './dns-traffic.js';
import { ProbeProcess } from './probe-process.js';

/** Names that nobody else asks for at this moment. */
const root = `f${process.pid}.test`;

const HTTPS = 65; // RFC 9460 §14.1
const SECOND_NS = 1_000_000_000n;

/** The resolver's sockets. */
const SERVERS = {
  s: { family: 4, address: '127.0.0.1', port: 53 },
  t: { family: 4, address: '127.0.0.2', port: 53 },
  u: { family: 6, address: '::1', port: 53 },
  v: { family: 4, address: '127.0.0.1', port: 5300 },
} as const;

let probe: ProbeProcess;
let records: DnsRecords;
let traffic: DnsTraffic;
let lastId = 0;

beforeAll(async () => {
  probe = new ProbeProcess('--dns-deadline-ms', '600');
  records = new DnsRecords(probe);
  traffic = await DnsTraffic.start();
  for (const [name, { family, address, port }] of Object.entries(SERVERS)) {
    await traffic.run(`resolver open ${name} udp${family}`, `resolver bind ${name} ${address} ${port}`);
  }
});

afterAll(async () => {
  await Promise.all([traffic.end(), probe.end()]);
});

interface Exchange {
  readonly name?: string;
  readonly type?: number;
  readonly responseCode?: number;
  readonly server?: keyof typeof SERVERS;
  readonly outcome?: Outcome;
}

/** Makes one query, all ended but the unanswered; returns its id, which is its own. */
async function exchange(query: Exchange): Promise<number> {
  const { name = 'www', type = A, responseCode = 0, server = 's', outcome = 'answered' } = query;
  const { family, address, port } = SERVERS[server];
  const id = ++lastId;
  const message = queryMessage(id, { name: `${name}.${root}`, type });
  const reply = `resolver reply ${server} ${answerTo(message, { responseCode }).toString('hex')}`;
  const ending = {
    answered: [reply, 'client receive c', 'client close c'],
    late: ['client close c', reply],
    unanswered: ['client close c'],
  };
  await traffic.run(
    `client open c udp${family}`,
    `client send c ${message.toString('hex')} ${address} ${port}`,
    `resolver receive ${server}`,
    ...ending[outcome],
  );
  return id;
}

const ofQuery =
  (...ids: readonly number[]) =>
  (record: DnsRecord): boolean =>
    ids.includes(record.id) && record.name.toLowerCase().endsWith(root);

const slotsOf = (found: readonly DnsRecord[], side: DnsRecord['side']) => {
  const bits = found.find((record) => record.side === side)?.slots ?? 0n;
  return Array.from({ length: 63 }, (_, i) => i).filter((i) => bits & (1n << BigInt(i)));
};

type Matched = Readonly<Record<DnsRecord['side'], number[]>>;

const onBoth = (...slots: number[]): Matched => ({ client: slots, resolver: slots });

/** Slot 63 sees everything, so that both records come whatever the others let through. */
async function configure(...slots: readonly SlotSpec[]): Promise<void> {
  const { errors } = await probe.configure(
    ...slots,
    dnsSlot(63, { queryNameSuffixes: [root], dnsPorts: [53, 5300] }),
  );
  expect(errors).toEqual([]);
}

/** Which slots the client's and the resolver's record of a query matched. */
async function matched(query: Exchange): Promise<Matched> {
  const found = await records.take(2, ofQuery(await exchange(query)));
  expect(found).toHaveLength(2);
  return { client: slotsOf(found, 'client'), resolver: slotsOf(found, 'resolver') };
}

it('matches whole names, whatever the case of the query', async () => {
  await configure(
    dnsSlot(0, { queryNames: [`www.${root}`] }),
    dnsSlot(1, { queryNames: [root] }),
    dnsSlot(2, { queryNames: [`mail.${root}`, `ftp.${root}`] }),
    dnsSlot(3, { queryNames: [`xwww.${root}`, `www.${root}x`] }),
  );
  expect(await matched({ name: 'www' })).toEqual(onBoth(0));
  expect(await matched({ name: 'WwW' })).toEqual(onBoth(0));
  expect(await matched({ name: 'ftp' })).toEqual(onBoth(2));
  expect(await matched({ name: 'a.www' })).toEqual(onBoth());
});

it('matches suffixes at the borders of labels: the name itself and what is below it', async () => {
  const long = Array.from({ length: 7 }, () => 'l'.repeat(30)).join('.');
  await configure(
    dnsSlot(0, { queryNameSuffixes: [`www.${root}`] }),
    dnsSlot(1, { queryNameSuffixes: [root] }),
    dnsSlot(2, { queryNameSuffixes: ['test'] }),
    dnsSlot(3, { queryNameSuffixes: [root.slice(1), 'est'] }),
    dnsSlot(4, { queryNameSuffixes: [`a.b.www.${root}`], queryNames: [`c.b.www.${root}`] }),
    dnsSlot(5, { queryNameSuffixes: [`${long}.${root}`] }),
  );
  expect(await matched({ name: 'www' })).toEqual(onBoth(0, 1, 2));
  expect(await matched({ name: 'A.b.WWW' })).toEqual(onBoth(0, 1, 2, 4));
  expect(await matched({ name: 'c.b.www' })).toEqual(onBoth(0, 1, 2, 4));
  expect(await matched({ name: 'xwww' })).toEqual(onBoth(1, 2));
  expect(await matched({ name: long })).toEqual(onBoth(1, 2, 5));
  expect(await matched({ name: `a.${long}` })).toEqual(onBoth(1, 2, 5));
});

it('matches types', async () => {
  await configure(
    dnsSlot(0, { queryTypes: [A] }),
    dnsSlot(1, { queryTypes: [AAAA, HTTPS] }),
    dnsSlot(2, { queryTypes: [0, 65535] }),
  );
  expect(await matched({ type: A })).toEqual(onBoth(0));
  expect(await matched({ type: AAAA })).toEqual(onBoth(1));
  expect(await matched({ type: HTTPS })).toEqual(onBoth(1));
  expect(await matched({ type: 65535 })).toEqual(onBoth(2));
  expect(await matched({ type: 15 })).toEqual(onBoth());
});

it('matches response codes, which unanswered queries do not have', async () => {
  await configure(
    dnsSlot(0, { responseCodes: [0] }),
    dnsSlot(1, { responseCodes: [SERVFAIL, NXDOMAIN] }),
    dnsSlot(2, { responseCodes: [BADVERS] }),
    dnsSlot(3),
  );
  expect(await matched({})).toEqual(onBoth(0, 3));
  expect(await matched({ responseCode: SERVFAIL })).toEqual(onBoth(1, 3));
  expect(await matched({ responseCode: NXDOMAIN })).toEqual(onBoth(1, 3));
  expect(await matched({ responseCode: BADVERS })).toEqual(onBoth(2, 3));
  expect(await matched({ outcome: 'unanswered' })).toEqual(onBoth(3));
});

it('matches sides', async () => {
  await configure(
    dnsSlot(0, { dnsSides: [1] }),
    dnsSlot(1, { dnsSides: [2] }),
    dnsSlot(2, { dnsSides: [1, 2] }),
  );
  expect(await matched({})).toEqual({ client: [0, 2], resolver: [1, 2] });
});

it('matches outcomes', async () => {
  await configure(
    dnsSlot(0, { dnsOutcomes: [1] }),
    dnsSlot(1, { dnsOutcomes: [2] }),
    dnsSlot(2, { dnsOutcomes: [3] }),
    dnsSlot(3, { dnsOutcomes: [2, 3] }),
  );
  expect(await matched({})).toEqual(onBoth(0));
  // The resolver has answered.
  expect(await matched({ outcome: 'late' })).toEqual({ client: [1, 3], resolver: [0] });
  expect(await matched({ outcome: 'unanswered' })).toEqual(onBoth(2, 3));
});

it('matches the addresses of resolvers, on both sides', async () => {
  const prefix = (address: readonly number[], length: number) => ({
    address: Uint8Array.from(address),
    length,
  });
  const loopback = [...new Array<number>(15).fill(0), 1];
  await configure(
    dnsSlot(0, { dnsServerPrefixes: [prefix([127, 0, 0, 0], 8)] }),
    dnsSlot(1, { dnsServerPrefixes: [prefix([127, 0, 0, 2], 32)] }),
    dnsSlot(2, { dnsServerPrefixes: [prefix(loopback, 128), prefix([10, 0, 0, 0], 8)] }),
    dnsSlot(3, { dnsServerPrefixes: [prefix(new Array<number>(16).fill(0), 0)] }),
  );
  expect(await matched({ server: 's' })).toEqual(onBoth(0, 3));
  expect(await matched({ server: 't' })).toEqual(onBoth(0, 1, 3));
  expect(await matched({ server: 'u' })).toEqual(onBoth(2, 3));
});

it('looks at the ports that each session names, 53 if it names none', async () => {
  await configure(dnsSlot(0), dnsSlot(1, { dnsPorts: [5300] }), dnsSlot(2, { dnsPorts: [53, 5300, 5301] }));
  expect(await matched({ server: 's' })).toEqual(onBoth(0, 2));
  expect(await matched({ server: 'v' })).toEqual(onBoth(1, 2));
});

it('leaves ports alone that no session names any more', async () => {
  await probe.configure(dnsSlot(0, { dnsPorts: [5300] }));
  const unwatched = await exchange({ server: 's' });
  const watched = await exchange({ server: 'v' });
  await records.take(2, ofQuery(watched));
  expect(records.queries.filter(ofQuery(unwatched))).toEqual([]);
});

it('matches process names exactly, a silent resolver’s by what it has sent before', async () => {
  await configure(
    dnsSlot(0, { processNames: ['dns-traffic'] }),
    dnsSlot(1, { processNames: ['dns-resolver', 'named'] }),
    dnsSlot(2, { processNames: ['dns', 'dns-resolve'] }),
  );
  expect(await matched({})).toEqual({ client: [0], resolver: [1] });
  expect(await matched({ outcome: 'unanswered' })).toEqual({ client: [0], resolver: [1] });
});

it('holds fast answers back, each session by its own threshold; what is late or unanswered passes', async () => {
  await configure(
    dnsSlot(0, { minLatencyNs: 1n }),
    dnsSlot(1, { minLatencyNs: 10n * SECOND_NS }),
    dnsSlot(2, { minLatencyNs: 20n * SECOND_NS }),
  );
  expect(await matched({})).toEqual(onBoth(0));
  // The resolver has answered in time.
  expect(await matched({ outcome: 'late' })).toEqual({ client: [0, 1, 2], resolver: [0] });
  expect(await matched({ outcome: 'unanswered' })).toEqual(onBoth(0, 1, 2));
});

it('wants all that a session asks for', async () => {
  const both = { queryTypes: [AAAA], queryNameSuffixes: [root] };
  await configure(
    dnsSlot(0, { ...both, dnsSides: [2] }),
    dnsSlot(1, { ...both, responseCodes: [NXDOMAIN] }),
    dnsSlot(2, { ...both, dnsOutcomes: [1], processNames: ['dns-traffic'] }),
  );
  expect(await matched({ type: AAAA })).toEqual({ client: [2], resolver: [0] });
  expect(await matched({ type: AAAA, responseCode: NXDOMAIN })).toEqual({ client: [1, 2], resolver: [0, 1] });
  expect(await matched({ type: A, responseCode: NXDOMAIN })).toEqual(onBoth());
});

it('samples both sides of a query alike, near the rate asked for', async () => {
  await configure(dnsSlot(0, { sampleThreshold: 0x7fffffff }));
  const ids: number[] = [];
  while (ids.length < 60) ids.push(await exchange({ name: `n${ids.length % 7}` }));
  const found = await records.take(2 * ids.length, ofQuery(...ids));
  const sampled = (side: DnsRecord['side']) =>
    found
      .filter((record) => record.side === side && record.slots & 1n)
      .map((record) => record.id)
      .sort();
  expect(sampled('client')).toEqual(sampled('resolver'));
  // 60 throws of a fair coin lie outside 12–48 once in 10^6 runs.
  expect(sampled('client').length).toBeGreaterThan(11);
  expect(sampled('client').length).toBeLessThan(49);
});

it('runs 64 sessions at once', async () => {
  const { errors } = await probe.configure(
    ...Array.from({ length: 64 }, (_, i) => dnsSlot(i, { queryNames: [`n${i}.${root}`, `www.${root}`] })),
  );
  expect(errors).toEqual([]);
  const all = (1n << 64n) - 1n;
  expect((await records.take(2, ofQuery(await exchange({})))).map(({ slots }) => slots)).toEqual([all, all]);
  const one = await records.take(2, ofQuery(await exchange({ name: 'n63' })));
  expect(one.map(({ slots }) => slots)).toEqual([1n << 63n, 1n << 63n]);
});

it('ends a query that was under way at a change by the sessions in force then, with their revision', async () => {
  await configure(dnsSlot(0), dnsSlot(1, { queryTypes: [A] }));
  const id = ++lastId;
  const message = queryMessage(id, { name: `under-way.${root}`, type: A });
  const silent = await exchange({ outcome: 'unanswered' });
  await traffic.run(
    ...['client open c udp4', `client send c ${message.toString('hex')} 127.0.0.1 53`, 'resolver receive s'],
  );
  await configure(
    dnsSlot(1, { queryNames: [`under-way.${root}`] }),
    dnsSlot(5, { queryNameSuffixes: [root], queryTypes: [A], processNames: ['dns-traffic', 'dns-resolver'] }),
    dnsSlot(6, { queryTypes: [AAAA] }),
    dnsSlot(7, { dnsPorts: [5300] }),
  );
  await traffic.run(`resolver reply s ${answerTo(message).toString('hex')}`, 'client close c');
  const [{ revision } = { revision: 0 }] = await records.take(2, ofQuery(await exchange({})));
  const found = await records.take(2, ofQuery(id));
  expect(found.map((record) => record.revision)).toEqual([revision, revision]);
  expect([slotsOf(found, 'client'), slotsOf(found, 'resolver')]).toEqual([
    [1, 5],
    [1, 5],
  ]);
  const unanswered = await records.take(2, ofQuery(silent));
  expect(unanswered.map((record) => record.revision)).toEqual([revision, revision]);
  expect([slotsOf(unanswered, 'client'), slotsOf(unanswered, 'resolver')]).toEqual([[5], [5]]);
});

it('drops a query under way that no session asks for any more', async () => {
  await configure();
  const dropped = await exchange({ outcome: 'unanswered' });
  await probe.configure(dnsSlot(0, { queryNames: [`other.${root}`] }));
  const kept = await exchange({ name: 'other', outcome: 'unanswered' });
  await records.take(2, ofQuery(kept));
  expect(records.queries.filter(ofQuery(dropped))).toEqual([]);
});
