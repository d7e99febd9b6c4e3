import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { counted, type ListenerCounts, ListenerRecords, listenerSlot, sumOf } from './listener-records.js';
import { ListenerTraffic } from './listener-traffic.js';
import { ProbeProcess } from './probe-process.js';

let probe: ProbeProcess;
let records: ListenerRecords;
let traffic: ListenerTraffic;

beforeAll(() => {
  probe = new ProbeProcess();
  records = new ListenerRecords(probe);
});

afterAll(async () => {
  expect(probe.stats?.probes.listener).toMatchObject({
    emitted: records.all.length,
    loss: { ringFull: 0, pendingTableFull: 0, unfinishedAtDetach: 0 },
  });
  expect(await probe.end()).toBe(0);
});

beforeEach(async () => {
  expect(await probe.configure(listenerSlot(0))).toMatchObject({ attached: true, errors: [] });
  traffic = await ListenerTraffic.start();
});

afterEach(async () => {
  await traffic.end();
  await probe.configure();
});

/** No client sends anything any more: what the kernel has counted by then, the probe has too. */
async function quiet(): Promise<void> {
  await traffic.run('reset', 'sleep 100');
}

/** Ends the session, with which all that was counted is reported; sums it up. */
async function total(...cookies: readonly bigint[]): Promise<ListenerCounts> {
  await probe.configure();
  return sumOf(cookies.flatMap((cookie) => records.of(cookie)));
}

const FAMILIES = ['ipv4', 'ipv6'] as const;

describe.each(FAMILIES)('a listener on %s', (family) => {
  it('whose accept queue is full refuses SYNs, as many as the kernel counts overflows', async () => {
    const cookie = await traffic.listen(family, 1);
    await traffic.run(`connect ${family} 2`);
    expect(await traffic.number('await 5000')).toBe(2);
    // Until the SYNs have come once more.
    await traffic.run(`connect ${family} 3`, 'await 1500');
    await quiet();
    const { ListenOverflows, ListenDrops } = await traffic.counters('ListenOverflows', 'ListenDrops');
    expect(ListenOverflows).toBeGreaterThanOrEqual(3);
    expect(ListenDrops).toBe(ListenOverflows);
    expect(await total(cookie)).toEqual(
      counted({ syns: 2 + ListenOverflows, acceptQueueFull: ListenOverflows }),
    );
  });

  it('whose accept queue is full at the third packet drops it, and the data behind it', async () => {
    const cookie = await traffic.listen(family, 4);
    await traffic.run(`deaf ${family} 2`, `connect ${family} 5`, 'sleep 100', 'hear');
    expect(await traffic.number('await 5000')).toBe(7);
    await traffic.run('say', 'sleep 300');
    await quiet();
    const { ListenOverflows } = await traffic.counters('ListenOverflows');
    expect(ListenOverflows).toBeGreaterThanOrEqual(4);
    expect(await total(cookie)).toEqual(counted({ syns: 7, acksDropped: ListenOverflows }));
  });

  it.each([1, 2])(
    'whose accept queue is full at the third packet after a cookie drops it (tcp_syncookies=%i)',
    async (mode) => {
      await traffic.run(`set ipv4/tcp_syncookies ${mode}`);
      const cookie = await traffic.listen(family, 1);
      // With 1, cookies come when the SYN queue is full.
      if (mode === 1) await traffic.run(`deaf ${family} 2`, 'sleep 100');
      expect(await traffic.number(`cookie-syn ${family} 3`)).toBe(3);
      await traffic.run('reset', 'set ipv4/tcp_syncookies 2', `connect ${family} 2`);
      expect(await traffic.number('await 5000')).toBe(2);
      await traffic.run('cookie-ack');
      await quiet();
      const names = ['ListenOverflows', 'SyncookiesSent', 'SyncookiesRecv'] as const;
      const { ListenOverflows, SyncookiesSent, SyncookiesRecv } = await traffic.counters(...names);
      expect({ ListenOverflows, SyncookiesRecv }).toEqual({ ListenOverflows: 3, SyncookiesRecv: 5 });
      expect(await total(cookie)).toEqual(
        counted({ syns: mode === 1 ? 7 : 5, cookies: SyncookiesSent, acksDroppedOnCookiePath: 3 }),
      );
    },
  );

  it('whose SYN queue is full refuses SYNs where cookies are off', async () => {
    await traffic.run('set ipv4/tcp_syncookies 0');
    const cookie = await traffic.listen(family, 2);
    await traffic.run(`deaf ${family} 6`, 'sleep 100');
    await quiet();
    const { TCPReqQFullDrop } = await traffic.counters('TCPReqQFullDrop');
    expect(TCPReqQFullDrop).toBeGreaterThanOrEqual(3);
    expect(await total(cookie)).toEqual(counted({ syns: 6, synQueueFull: TCPReqQFullDrop }));
  });

  it('answers by cookies when its SYN queue is full and cookies are on', async () => {
    await traffic.run('set ipv4/tcp_syncookies 1');
    const cookie = await traffic.listen(family, 2);
    await traffic.run(`deaf ${family} 6`, 'sleep 100');
    await quiet();
    const { SyncookiesSent } = await traffic.counters('SyncookiesSent');
    expect(SyncookiesSent).toBeGreaterThanOrEqual(3);
    expect(await total(cookie)).toEqual(counted({ syns: 6, cookies: SyncookiesSent }));
  });

  it('keeps the last quarter of tcp_max_syn_backlog for peers that it knows, where cookies are off', async () => {
    await traffic.run('set ipv4/tcp_syncookies 0', 'set ipv4/tcp_max_syn_backlog 8');
    const cookie = await traffic.listen(family, 100);
    await traffic.run(`deaf ${family} 10`, 'sleep 100');
    await quiet();
    const { ListenDrops } = await traffic.counters('ListenDrops');
    expect(ListenDrops).toBeGreaterThan(0);
    expect(await total(cookie)).toEqual(counted({ syns: 10, synQueueFull: ListenDrops }));
  });

  it('counts a SYN once that comes again because its answer was lost', async () => {
    const cookie = await traffic.listen(family, 16);
    await traffic.run(`deaf ${family} 3`, 'sleep 2500');
    expect(await total(cookie)).toEqual(counted({ syns: 3 }));
  });

  it('is reported with its address, its process, its queues and its settings', async () => {
    await traffic.run('set ipv4/tcp_max_syn_backlog 77', 'set ipv4/tcp_abort_on_overflow 1');
    const cookie = await traffic.listen(family, 9);
    await traffic.run(`deaf ${family} 2`, `connect ${family} 3`);
    // Its queues do not become empty, so it is reported every second.
    const record = await records.first(
      (held) => held.cookie === cookie && held.acceptQueueLength === 3 && held.pid !== 0,
    );
    const [statistics] = await traffic.socketStatistics();
    expect(record).toMatchObject({
      local: family === 'ipv4' ? '127.0.0.1' : '::1',
      localPort: traffic.place.port,
      netns: traffic.place.netns,
      pid: traffic.place.pid,
      processName: 'listener-traffi',
      acceptQueueLimit: 9,
      acceptQueuePeak: 3,
      synQueueLength: 2,
      tcpMaxSynBacklog: 77,
      tcpSyncookies: 1,
      tcpAbortOnOverflow: 1,
      somaxconn: 4096,
      slots: 1n,
    });
    // A connection's own request is in the queue yet when its third packet comes.
    expect(Math.max(...records.of(cookie).map(({ synQueuePeak }) => synQueuePeak))).toBe(3);
    expect(statistics).toMatchObject({ cookie, queued: 3, limit: 9 });
    expect(record.cgroupId).toBeGreaterThan(0);
  });
});

it('refuses nothing under load that it can bear', async () => {
  const cookie = await traffic.listen('ipv4', 128);
  await traffic.run('health 500');
  expect(await total(cookie)).toEqual(counted({ syns: 500 }));
});

it('reports a listener that is gone before anybody looked', async () => {
  const cookie = await traffic.listen('ipv4', 1);
  await traffic.run('connect ipv4 2', 'await 5000', 'connect ipv4 3', 'sleep 100', 'close');
  await quiet();
  const { ListenOverflows } = await traffic.counters('ListenOverflows');
  expect(ListenOverflows).toBeGreaterThanOrEqual(3);
  expect(await total(cookie)).toEqual(
    counted({ syns: 2 + ListenOverflows, acceptQueueFull: ListenOverflows }),
  );
  expect(records.of(cookie).at(-1)).toMatchObject({ acceptQueueLimit: 1, localPort: traffic.place.port });
});

it('tells the sockets of an SO_REUSEPORT group apart', async () => {
  const cookies: bigint[] = [];
  for (let i = 0; i < 32; i++) cookies.push(await traffic.listen('ipv4', 1));
  await traffic.run('connect ipv4 128', 'sleep 200');
  await quiet();
  const { ListenOverflows } = await traffic.counters('ListenOverflows');
  const statistics = await traffic.socketStatistics();
  const { syns: allSyns, ...others } = await total(...cookies);
  expect(allSyns).toBeGreaterThanOrEqual(128);
  expect({ syns: allSyns, ...others }).toEqual(counted({ syns: allSyns, acceptQueueFull: ListenOverflows }));
  for (const cookie of cookies) {
    const own = records.of(cookie);
    const { syns, acceptQueueFull } = sumOf(own);
    const { queued, drops } = statistics.find((socket) => socket.cookie === cookie) ?? {};
    expect({ queued: syns - acceptQueueFull, drops: acceptQueueFull }).toEqual({ queued, drops });
    expect(own.at(-1)?.acceptQueueLength ?? 0).toBe(queued);
  }
});

it.each([
  ['any4', '0.0.0.0', 'ipv4'],
  ['any6', '::', 'ipv6'],
  ['any6', '::', 'ipv4'],
] as const)('knows a wildcard socket (%s) by its address %s, called by %s', async (where, local, family) => {
  const cookie = await traffic.listen(where, 1);
  await traffic.run(`connect ${family} 2`, 'await 5000', `connect ${family} 2`, 'sleep 100');
  await quiet();
  const { ListenOverflows } = await traffic.counters('ListenOverflows');
  expect(await total(cookie)).toEqual(
    counted({ syns: 2 + ListenOverflows, acceptQueueFull: ListenOverflows }),
  );
  expect(records.of(cookie).at(-1)).toMatchObject({ local });
});

it('knows the process of an MPTCP listener, which the application has another socket for', async () => {
  await traffic.listen('mptcp', 8);
  await traffic.run('connect ipv4 3');
  const { netns, pid } = traffic.place;
  const record = await records.first((held) => held.netns === netns && held.pid === pid);
  expect(record).toMatchObject({ local: '127.0.0.1', acceptQueueLength: 3, processName: 'listener-traffi' });
});
