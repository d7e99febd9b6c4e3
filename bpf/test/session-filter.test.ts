import { type SlotSpec } from '@synscope/probe-wire';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  everything,
  type HandshakeRecord,
  isOf,
  ProbeProcess,
  type Traffic,
  traffic,
} from './probe-process.js';

let probe: ProbeProcess;

beforeEach(() => {
  probe = new ProbeProcess();
});

afterEach(async () => {
  await probe.end();
});

const slot = (number: number, filter: Partial<SlotSpec> = {}): SlotSpec => ({
  ...everything,
  slot: number,
  ...filter,
});

/** Which slots the client's and the server's record of one established handshake on port 7000 matched. */
async function matched(...slots: SlotSpec[]): Promise<{ client: number[]; server: number[] }> {
  // Slot 63 sees everything, so that both records come whatever the others let through.
  await probe.configure(...slots, slot(63));
  const truth = await traffic('established_ipv4');
  const records = await probe.take(2, isOf(truth));
  const of = (role: HandshakeRecord['role']) => {
    const bits = records.find((record) => record.role === role)?.slots ?? 0n;
    return Array.from({ length: 63 }, (_, i) => i).filter((i) => bits & (1n << BigInt(i)));
  };
  return { client: of('client'), server: of('server') };
}

it('tells roles apart', async () => {
  expect(await matched(slot(0, { roles: [1] }), slot(1, { roles: [2] }), slot(2, { roles: [1, 2] }))).toEqual(
    {
      client: [0, 2],
      server: [1, 2],
    },
  );
});

it('matches remote and local ports as each side sees them', async () => {
  expect(
    await matched(
      slot(0, { remotePorts: [7000] }),
      slot(1, { localPorts: [7000, 1] }),
      slot(2, { remotePorts: [7001] }),
      slot(3, { remotePorts: [7000], localPorts: [7000] }),
    ),
  ).toEqual({ client: [0], server: [1] });
});

it('matches nested address prefixes, each session by its own', async () => {
  const prefix = (text: string, length: number) => ({
    address: Uint8Array.from(text.split('.').map(Number)),
    length,
  });
  expect(
    await matched(
      slot(0, { remotePrefixes: [prefix('127.0.0.0', 8)] }),
      slot(1, { remotePrefixes: [prefix('127.0.0.1', 32)] }),
      slot(2, { remotePrefixes: [prefix('127.0.0.2', 32), prefix('10.0.0.0', 8)] }),
      slot(3, { remotePrefixes: [prefix('0.0.0.0', 0)] }),
      slot(4, { remotePrefixes: [{ address: new Uint8Array(16), length: 1 }] }),
    ),
  ).toEqual({ client: [0, 1, 3, 4], server: [0, 1, 3, 4] });
});

it('matches process names exactly', async () => {
  expect(
    await matched(slot(0, { processNames: ['traffic'] }), slot(1, { processNames: ['traffi', 'nginx'] })),
  ).toEqual({ client: [0], server: [0] });
});

it('matches outcomes', async () => {
  expect(await matched(slot(0, { outcomes: [1] }), slot(1, { outcomes: [2, 3, 4, 5, 6] }))).toEqual({
    client: [0],
    server: [0],
  });
});

it('holds fast handshakes back, each session by its own threshold', async () => {
  expect(
    await matched(
      slot(0, { minLatencyNs: 1n }),
      slot(1, { minLatencyNs: 10_000_000_000n }),
      slot(2, { minLatencyNs: 20_000_000_000n }),
      slot(3, { minLatencyNs: 10_000_000_000n }),
    ),
  ).toEqual({ client: [0], server: [0] });
});

it('lets a failed handshake pass whatever the threshold', async () => {
  await probe.configure(slot(0, { minLatencyNs: 10_000_000_000n }));
  const truth = await traffic('refused');
  const [record] = await probe.take(1, isOf(truth));
  expect(record).toMatchObject({ outcome: 'refused', slots: 1n });
});

it('samples both sides of a handshake alike, near the rate asked for', async () => {
  await probe.configure(slot(0, { sampleThreshold: 0x7fffffff }), slot(63));
  const handshakes = 60;
  const truths: Traffic[] = [];
  for (let i = 0; i < handshakes; i++) truths.push(await traffic('established_ipv4'));
  const records = await probe.take(2 * handshakes, isOf(...truths));
  const sampled = (role: HandshakeRecord['role']) =>
    records
      .filter((record) => record.role === role && record.slots & 1n)
      .map((record) => record.clientIsn)
      .sort();
  expect(sampled('client')).toEqual(sampled('server'));
  // 60 throws of a fair coin lie outside 12–48 once in 10^6 runs.
  expect(sampled('client').length).toBeGreaterThan(11);
  expect(sampled('client').length).toBeLessThan(49);
});

it('runs 64 sessions at once', async () => {
  const { errors } = await probe.configure(
    ...Array.from({ length: 64 }, (_, i) => slot(i, { remotePorts: [7000] })),
  );
  expect(errors).toEqual([]);
  const truth = await traffic('established_ipv4');
  const [record] = await probe.take(1, isOf(truth));
  expect(record).toMatchObject({ role: 'client', slots: (1n << 64n) - 1n });
});

it('labels each record with the revision whose slots it carries', async () => {
  await probe.configure(slot(0));
  const first = await traffic('established_ipv4');
  await probe.take(2, isOf(first));
  await probe.configure(slot(5));
  const second = await traffic('established_ipv4');
  const records = await probe.take(2, (record) => record.revision === 2 && isOf(second)(record));
  expect(records.map(({ slots }) => slots)).toEqual([1n << 5n, 1n << 5n]);
});
