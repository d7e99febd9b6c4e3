import {
  acceptQueueFullAtAck,
  acceptQueueFullAtSyn,
  acceptQueueFullOnCookiePath,
  type QueueFault,
  synQueueFullWithCookies,
  synQueueFullWithoutCookies,
} from '../../lab/queue-faults.js';
import type { FaultCase } from './cases.js';
import { atLeast, exactly, type Scene } from './scene.js';

const pathDelayUs = 5_000;
const counter = (fault: QueueFault, name: string) => fault.counters[name] ?? 0;

/** The slowest and the fastest connect(), milliseconds. */
function connectMs({ connects }: QueueFault): { readonly fastest: number; readonly slowest: number } {
  const times = connects.map(({ startedUs, endedUs }) => Math.round((endedUs - startedUs) / 1_000));
  return { fastest: Math.min(...times), slowest: Math.max(...times) };
}

async function delayed(scene: Scene): Promise<void> {
  await scene.lab.relay.delay('a', pathDelayUs);
  await scene.lab.relay.delay('b', pathDelayUs);
}

export const queueCases: readonly FaultCase[] = [
  {
    name: 'accept queue full at the SYN',
    expected: {
      both: { codes: ['accept_queue_full'], beside: ['slow_accept'] },
      client: { codes: ['unexplained'] },
      server: { codes: ['accept_queue_full'], beside: ['slow_accept'] },
    },
    run: async (scene) => {
      await delayed(scene);
      const fault = await acceptQueueFullAtSyn(scene.lab, scene.family, scene.names);
      const { witness } = scene;
      witness.began(fault.connects.map(({ startedUs }) => startedUs));
      witness.expect('ss: Recv-Q above Send-Q', fault.acceptQueue - fault.acceptQueueLimit, atLeast(1));
      witness.expect('nstat: ListenOverflows', counter(fault, 'ListenOverflows'), atLeast(8));
      witness.expect('nstat: SyncookiesSent', counter(fault, 'SyncookiesSent'), exactly(0));
      witness.expect('ss: drops', fault.drops, exactly(counter(fault, 'ListenDrops')));
      witness.expect('fastest connect(), ms', connectMs(fault).fastest, atLeast(900));
    },
  },
  {
    name: 'accept queue full at the third packet',
    expected: {
      both: { codes: ['ack_dropped_by_full_queue'], beside: ['accept_queue_full', 'slow_accept'] },
      client: { codes: [] },
      server: { codes: ['ack_dropped_by_full_queue'], beside: ['accept_queue_full', 'slow_accept'] },
    },
    run: async (scene) => {
      await delayed(scene);
      const fault = await acceptQueueFullAtAck(scene.lab, scene.family, scene.names);
      const { witness } = scene;
      witness.began(fault.connects.map(({ startedUs }) => startedUs));
      witness.expect('ss: Recv-Q above Send-Q', fault.acceptQueue - fault.acceptQueueLimit, atLeast(1));
      witness.expect('nstat: ListenOverflows', counter(fault, 'ListenOverflows'), atLeast(3));
      witness.expect('nstat: SyncookiesSent', counter(fault, 'SyncookiesSent'), exactly(0));
      const synAcks = fault.packets.filter(({ kind }) => kind === 'synack').length;
      witness.expect('relay: SYN-ACKs beyond one each', synAcks - fault.connects.length, atLeast(3));
      witness.expect('slowest connect(), ms', connectMs(fault).slowest, (ms) => ms < 900);
    },
  },
  {
    name: 'accept queue full on the cookie path',
    expected: {
      both: {
        codes: ['ack_dropped_by_full_queue', 'syn_cookies_active'],
        beside: ['accept_queue_full', 'slow_accept'],
      },
      client: { codes: [] },
      server: {
        codes: ['ack_dropped_by_full_queue', 'syn_cookies_active'],
        beside: ['accept_queue_full', 'slow_accept'],
      },
    },
    run: async (scene) => {
      await delayed(scene);
      const fault = await acceptQueueFullOnCookiePath(scene.lab, scene.family, scene.names);
      const { witness } = scene;
      witness.began(fault.connects.map(({ startedUs }) => startedUs));
      const cookies = counter(fault, 'SyncookiesSent');
      witness.expect('ss: Recv-Q above Send-Q', fault.acceptQueue - fault.acceptQueueLimit, atLeast(1));
      witness.expect('nstat: SyncookiesSent', cookies, atLeast(1));
      witness.expect('nstat: ListenOverflows', counter(fault, 'ListenOverflows'), atLeast(cookies));
      witness.expect('slowest connect(), ms', connectMs(fault).slowest, (ms) => ms < 900);
    },
  },
  {
    name: 'SYN queue full, cookies off',
    expected: {
      both: { codes: ['syn_queue_full'] },
      client: { codes: ['unexplained'] },
      server: { codes: ['syn_queue_full'] },
    },
    run: async (scene) => {
      await delayed(scene);
      const fault = await synQueueFullWithoutCookies(scene.lab, scene.family, scene.names);
      const { witness } = scene;
      witness.began(fault.connects.map(({ startedUs }) => startedUs));
      witness.expect('nstat: TCPReqQFullDrop', counter(fault, 'TCPReqQFullDrop'), atLeast(4));
      witness.expect('nstat: ListenOverflows', counter(fault, 'ListenOverflows'), exactly(0));
      witness.expect('ss: drops', fault.drops, exactly(counter(fault, 'ListenDrops')));
      witness.expect('fastest connect(), ms', connectMs(fault).fastest, atLeast(900));
    },
  },
  {
    name: 'SYN queue full, cookies on',
    expected: {
      both: { codes: ['syn_cookies_active'] },
      client: { codes: [] },
      server: { codes: ['syn_cookies_active'] },
    },
    run: async (scene) => {
      await delayed(scene);
      const fault = await synQueueFullWithCookies(scene.lab, scene.family, scene.names);
      const { witness } = scene;
      witness.began(fault.connects.map(({ startedUs }) => startedUs));
      witness.expect('nstat: TCPReqQFullDoCookies', counter(fault, 'TCPReqQFullDoCookies'), atLeast(4));
      witness.expect('nstat: SyncookiesRecv', counter(fault, 'SyncookiesRecv'), exactly(4));
      witness.expect('nstat: ListenDrops', counter(fault, 'ListenDrops'), exactly(0));
      witness.expect('slowest connect(), ms', connectMs(fault).slowest, (ms) => ms < 900);
    },
  },
];
