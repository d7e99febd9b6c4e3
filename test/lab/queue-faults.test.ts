import { describe, test } from 'vitest';
import { type Family, Lab, labUnavailable } from './lab.ts';
import {
  acceptQueueFullAtAck,
  acceptQueueFullAtSyn,
  acceptQueueFullOnCookiePath,
  type QueueFault,
  synQueueFullWithCookies,
  synQueueFullWithoutCookies,
} from './queue-faults.ts';

const families: readonly Family[] = ['ipv4', 'ipv6'];

function synsOf({ packets, connects }: QueueFault, index: number): number {
  const port = connects[index]?.local.port;
  return packets.filter(({ kind, source }) => kind === 'syn' && source.port === port).length;
}
const tookUs = ({ connects }: QueueFault) => connects.map(({ startedUs, endedUs }) => endedUs - startedUs);
const errors = ({ connects }: QueueFault) => connects.map(({ error }) => error).filter(Boolean);
const synAcks = ({ packets }: QueueFault) => packets.filter(({ kind }) => kind === 'synack').length;

// By ss, nstat and the relay, none of which knows of the others.
describe.skipIf(labUnavailable()).for(families)(
  'queues of a listening socket over %s',
  { concurrent: true },
  (family) => {
    test('a full accept queue refuses SYNs: nothing is answered until the server accepts', async ({
      expect,
    }) => {
      await using lab = await Lab.create({ delayUs: 5_000 });
      const fault = await acceptQueueFullAtSyn(lab, family);
      expect(fault.acceptQueue).toBe(5);
      expect(errors(fault)).toEqual([]);
      expect(Math.min(...tookUs(fault))).toBeGreaterThan(1_000_000);
      for (const index of fault.connects.keys()) expect(synsOf(fault, index)).toBeGreaterThanOrEqual(3);
      expect(fault.counters['ListenOverflows']).toBeGreaterThanOrEqual(8);
      expect(fault.counters['ListenDrops']).toBe(fault.counters['ListenOverflows']);
      expect(fault.drops).toBe(fault.counters['ListenDrops']);
      expect(fault.counters['TCPReqQFullDrop']).toBe(0);
      expect(fault.counters['SyncookiesSent']).toBe(0);
    });

    test('an accept queue that is full at the third packet drops it: clients are connected, the server repeats its SYN-ACK', async ({
      expect,
    }) => {
      await using lab = await Lab.create({ delayUs: 5_000 });
      const fault = await acceptQueueFullAtAck(lab, family);
      expect(fault.acceptQueue).toBe(5);
      expect(errors(fault)).toEqual([]);
      for (const index of fault.connects.keys()) expect(synsOf(fault, index)).toBe(1);
      expect(fault.counters['ListenOverflows']).toBeGreaterThanOrEqual(3);
      expect(fault.counters['SyncookiesSent']).toBe(0);
      // The socket's own count may hold one dropped third packet twice: as a connection, and as an skb.
      expect(fault.drops).toBeGreaterThanOrEqual(fault.counters['ListenDrops'] ?? 0);
      expect(synAcks(fault)).toBeGreaterThanOrEqual(4 + 3);
    });

    test('the same after a SYN cookie leaves nothing on the server, and no SYN-ACK is repeated', async ({
      expect,
    }) => {
      await using lab = await Lab.create({ delayUs: 5_000 });
      const fault = await acceptQueueFullOnCookiePath(lab, family);
      expect(fault.acceptQueue).toBe(3);
      expect(errors(fault)).toEqual([]);
      expect(fault.counters['SyncookiesSent']).toBe(5);
      expect(fault.counters['TCPReqQFullDoCookies']).toBe(5);
      expect(fault.counters['ListenOverflows']).toBeGreaterThanOrEqual(7);
      const answered = new Set(fault.server.accepted.map(({ remote }) => remote.port));
      expect(fault.connects.filter(({ local }) => answered.has(local.port))).toHaveLength(3);
    });

    test('a full SYN queue without cookies refuses SYNs until half-open connections are given up', async ({
      expect,
    }) => {
      await using lab = await Lab.create({ delayUs: 5_000 });
      const fault = await synQueueFullWithoutCookies(lab, family);
      expect(errors(fault)).toEqual([]);
      expect(Math.min(...tookUs(fault))).toBeGreaterThan(1_000_000);
      expect(fault.counters['TCPReqQFullDrop']).toBeGreaterThanOrEqual(4 + 15);
      expect(fault.counters['ListenOverflows']).toBe(0);
      expect(fault.counters['SyncookiesSent']).toBe(0);
      expect(fault.drops).toBe(fault.counters['ListenDrops']);
    });

    test('a full SYN queue with cookies answers at once', async ({ expect }) => {
      await using lab = await Lab.create({ delayUs: 5_000 });
      const fault = await synQueueFullWithCookies(lab, family);
      expect(errors(fault)).toEqual([]);
      for (const index of fault.connects.keys()) expect(synsOf(fault, index)).toBe(1);
      expect(fault.counters['SyncookiesRecv']).toBe(4);
      expect(fault.counters['TCPReqQFullDoCookies']).toBe(4 + 15);
      expect(fault.counters['TCPReqQFullDrop']).toBe(0);
      expect(fault.drops).toBe(0);
    });
  },
);
