import type { SlotFilter } from '@synscope/probe-wire';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { counted, ListenerRecords, listenerSlot, sumOf } from './listener-records.js';
import { ListenerTraffic } from './listener-traffic.js';
import { everything, ProbeProcess } from './probe-process.js';

let probe: ProbeProcess;
let records: ListenerRecords;
let traffic: ListenerTraffic;

beforeEach(async () => {
  probe = new ProbeProcess();
  records = new ListenerRecords(probe);
  traffic = await ListenerTraffic.start();
});

afterEach(async () => {
  await traffic.end();
  await probe.end();
});

it('keeps to the ports and the processes that a session asks for', async () => {
  const { port } = traffic.place;
  const filters: Partial<SlotFilter>[] = [
    { localPorts: [port] },
    { localPorts: [port + 1] },
    { processNames: ['listener-traffi'] },
    { processNames: ['nginx'] },
    { localPorts: [port], processNames: ['nginx'] },
  ];
  const cookie = await traffic.listen('ipv4', 8);
  await probe.configure(...filters.map((filter, i) => listenerSlot(i, filter)));
  const record = await records.first((held) => held.cookie === cookie);
  expect(record.slots).toBe(0b101n);
  expect(records.all.every(({ localPort, slots }) => localPort === port || (slots & 1n) === 0n)).toBe(true);
});

it('reports quiet listeners to each session that begins, and then is silent for a while', async () => {
  const cookie = await traffic.listen('ipv4', 8);
  await probe.configure(listenerSlot(0));
  const first = await records.first((held) => held.cookie === cookie);
  expect({ ...first, ...sumOf([first]) }).toMatchObject({
    ...counted({}),
    slots: 1n,
    acceptQueueLimit: 8,
    acceptQueueLength: 0,
    drops: 0,
    pid: traffic.place.pid,
  });
  await probe.configure(listenerSlot(0), listenerSlot(1));
  await records.first((held) => held.cookie === cookie && held.slots === 0b11n);
  // Two intervals on, as the reports of a listener tell whose queue is not empty.
  const busy = await traffic.listen('ipv4', 8);
  await traffic.run('connect ipv4 32', 'sleep 10');
  const { observedAtUs } = await records.first((held) => held.cookie === busy);
  await records.first((held) => held.cookie === busy && held.observedAtUs > observedAtUs);
  expect(records.of(cookie).filter(({ syns, acceptQueuePeak }) => syns + acceptQueuePeak === 0)).toHaveLength(
    2,
  );
});

it('attaches nothing without a session that asks for it', async () => {
  const { hooks } = await probe.configure(everything);
  expect(hooks.listener).toBeUndefined();
  const both = await probe.configure(everything, listenerSlot(1));
  expect(both.hooks.listener).toEqual(
    expect.arrayContaining(['cgroup_skb/ingress', 'cgroup_sockops', 'iter/task_file']),
  );
  expect(await probe.configure()).toMatchObject({ attached: false, hooks: {}, errors: [] });
});

it('counts beside the observer of handshakes what it counts alone', async () => {
  await probe.configure(listenerSlot(0), { ...everything, slot: 1 });
  const cookie = await traffic.listen('ipv4', 1);
  await traffic.run('connect ipv4 2', 'await 5000', 'connect ipv4 3', 'sleep 100', 'reset', 'sleep 100');
  const { ListenOverflows } = await traffic.counters('ListenOverflows');
  await probe.configure();
  expect(ListenOverflows).toBeGreaterThanOrEqual(3);
  expect(sumOf(records.of(cookie))).toEqual(
    counted({ syns: 2 + ListenOverflows, acceptQueueFull: ListenOverflows }),
  );
  expect(probe.records.filter(({ netns }) => netns === traffic.place.netns).length).toBeGreaterThan(0);
});

it('calls a refusal unexplained where no queue was full: a socket filter of the listener’s own', async () => {
  await probe.configure(listenerSlot(0));
  const cookie = await traffic.listen('ipv4', 8);
  await traffic.run('lose-syns', 'connect ipv4 2', 'sleep 100', 'reset', 'sleep 100');
  await probe.configure();
  const { syns, ...others } = sumOf(records.of(cookie));
  expect(syns).toBeGreaterThanOrEqual(2);
  expect({ syns, ...others }).toEqual(counted({ syns, unexplained: syns }));
});
