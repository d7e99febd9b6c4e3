import { constants } from 'node:os';
import { RecordFlag } from '@synscope/probe-wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  everything,
  type HandshakeRecord,
  isOf,
  ProbeProcess,
  type Traffic,
  traffic,
} from './probe-process.js';

/** An accepted connection waits at most so long for accept() in these tests; shorter than `never_accepted` holds it. */
const ACCEPT_DEADLINE_MS = 1500;

let probe: ProbeProcess;

beforeAll(async () => {
  probe = new ProbeProcess('--accept-deadline-ms', String(ACCEPT_DEADLINE_MS));
  await probe.configure(everything);
});

afterAll(async () => {
  expect(probe.stats?.probes.tcp_handshake.loss).toMatchObject({ ringFull: 0, pendingTableFull: 0 });
  expect(await probe.end()).toBe(0);
});

/** The records of one scenario's handshake: exactly `client` and `server` many, none more. */
async function observe(
  scenario: string,
  expected: { client: number; server: number },
): Promise<{ truth: Traffic; client: HandshakeRecord | undefined; server: HandshakeRecord | undefined }> {
  // The kernel gives the inode of a namespace that ended to the next one.
  probe.records.length = 0;
  const truth = await traffic(scenario);
  const records = await probe.take(expected.client + expected.server, isOf(truth));
  const clients = records.filter((record) => record.role === 'client');
  const servers = records.filter((record) => record.role === 'server');
  expect({ client: clients.length, server: servers.length }, `${records.length} records`).toEqual(expected);
  return { truth, client: clients.at(-1), server: servers.at(-1) };
}

const connectUs = (truth: Traffic) => (truth.doneNs - truth.connectNs) / 1000;

/** What the caller saw bounds the latency from above; a busy machine may wake the caller late, but not by so much. */
const WAKE_UP_US = 100_000;

function expectWithin(latencyUs: number | undefined, truth: Traffic): void {
  expect(latencyUs).toBeLessThanOrEqual(connectUs(truth));
  expect(latencyUs).toBeGreaterThan(connectUs(truth) - WAKE_UP_US);
}

describe.each([
  ['established_ipv4', '127.0.0.1'],
  ['established_ipv6', '::1'],
  ['dual_stack', '127.0.0.1'],
])('%s', (scenario, address) => {
  it('is reported once by each side, with both ends, both ISNs and the process', async () => {
    const { truth, client, server } = await observe(scenario, { client: 1, server: 1 });
    expect(client).toMatchObject({
      outcome: 'established',
      local: address,
      remote: address,
      remotePort: truth.listenPort,
      pid: truth.pid,
      processName: 'traffic',
      synRetransmits: 0,
      synAckRetransmits: -1,
      acceptWaitUs: -1,
    });
    expect(server).toMatchObject({
      outcome: 'established',
      local: address,
      remote: address,
      localPort: truth.listenPort,
      remotePort: client?.localPort,
      pid: truth.pid,
      processName: 'traffic',
      synRetransmits: -1,
      synAckRetransmits: 0,
      clientIsn: client?.clientIsn,
      serverIsn: client?.serverIsn,
    });
    const known = RecordFlag.clientIsnKnown | RecordFlag.serverIsnKnown;
    expect([client?.flags, server?.flags]).toEqual([known, known]);
  });

  it('takes no longer, by either side, than connect() did', async () => {
    const { truth, client, server } = await observe(scenario, { client: 1, server: 1 });
    expect(client?.latencyUs).toBeGreaterThan(0);
    expect(client?.latencyUs).toBeLessThanOrEqual(connectUs(truth));
    expect(server?.latencyUs).toBeGreaterThan(0);
    expect(server?.latencyUs).toBeLessThanOrEqual(connectUs(truth));
    expect(server?.acceptWaitUs).toBeGreaterThanOrEqual(0);
  });
});

it('measures from ESTABLISHED until accept() returned', async () => {
  const { server } = await observe('slow_accept', { client: 1, server: 1 });
  expect(server?.acceptWaitUs).toBeGreaterThanOrEqual(199_000);
  expect(server?.acceptWaitUs).toBeLessThan(200_000 + WAKE_UP_US);
});

it('calls a SYN answered by RST refused', async () => {
  const { truth, client } = await observe('refused', { client: 1, server: 0 });
  expect(client).toMatchObject({ outcome: 'refused', pid: truth.pid, srttUs: -1, serverIsn: 0 });
  expect(client?.latencyUs).toBeLessThanOrEqual(connectUs(truth));
});

it('calls a handshake to a neighbour that does not answer unreachable', async () => {
  const { truth, client } = await observe('unreachable', { client: 1, server: 0 });
  expect(truth.error).toBe(constants.errno.EHOSTUNREACH);
  expect(client).toMatchObject({ outcome: 'unreachable', pid: truth.pid, remote: '192.0.2.2' });
  expectWithin(client?.latencyUs, truth);
});

it('calls a handshake that the kernel gave up timed_out, under the caller’s name though a timer ended it', async () => {
  const { truth, client } = await observe('timed_out', { client: 1, server: 0 });
  expect(client).toMatchObject({ outcome: 'timed_out', pid: truth.pid, processName: 'traffic' });
  expect(client?.synRetransmits).toBeGreaterThanOrEqual(1);
  expectWithin(client?.latencyUs, truth);
});

it('calls a handshake that the application gave up aborted', async () => {
  const { truth, client } = await observe('aborted', { client: 1, server: 0 });
  expect(client).toMatchObject({ outcome: 'aborted', synRetransmits: 0 });
  expectWithin(client?.latencyUs, truth);
});

it('ends a request whose third packet never comes as timed_out, without a latency', async () => {
  const { server } = await observe('request_timed_out', { client: 1, server: 1 });
  expect(server).toMatchObject({ outcome: 'timed_out', latencyUs: -1, pid: 0 });
  expect(server?.synAckRetransmits).toBeGreaterThanOrEqual(1);
});

it('ends a request that the client answers with RST as reset', async () => {
  const { client, server } = await observe('request_reset', { client: 1, server: 1 });
  expect(client?.outcome).toBe('aborted');
  expect(server).toMatchObject({ outcome: 'reset', clientIsn: client?.clientIsn, synAckRetransmits: 1 });
  expect(server?.latencyUs).toBeGreaterThanOrEqual(999_000);
});

it('reports a connection that was reset in the accept queue, without an accept wait', async () => {
  const { server } = await observe('reset_before_accept', { client: 1, server: 1 });
  expect(server).toMatchObject({ outcome: 'established', acceptWaitUs: -1, pid: 0, processName: '' });
  expect((server?.flags ?? 0) & RecordFlag.notYetAccepted).toBe(0);
});

it('reports a connection that its listener took with it when the deadline for accept() is over', async () => {
  const { server } = await observe('listener_closed', { client: 1, server: 1 });
  expect(server).toMatchObject({ outcome: 'established', acceptWaitUs: -1, pid: 0, processName: '' });
  expect((server?.flags ?? 0) & RecordFlag.notYetAccepted).toBeTruthy();
});

it('reports a connection that nobody accepts when its deadline is over, and says so', async () => {
  const { server } = await observe('never_accepted', { client: 1, server: 1 });
  expect(server).toMatchObject({ outcome: 'established', acceptWaitUs: -1 });
  expect((server?.flags ?? 0) & RecordFlag.notYetAccepted).toBeTruthy();
});

it('has no latency to tell on the SYN-cookie path, and says why', async () => {
  const { server } = await observe('syn_cookie', { client: 1, server: 1 });
  expect(server).toMatchObject({ outcome: 'established', latencyUs: -1, srttUs: -1 });
  expect(server?.acceptWaitUs).toBeGreaterThanOrEqual(0);
  expect((server?.flags ?? 0) & RecordFlag.synCookie).toBeTruthy();
});

it('measures TCP Fast Open to the third packet, and marks it', async () => {
  const { client, server } = await observe('fast_open', { client: 2, server: 2 });
  expect((server?.flags ?? 0) & RecordFlag.fastOpen).toBeTruthy();
  expect(server).toMatchObject({ clientIsn: client?.clientIsn, serverIsn: client?.serverIsn });
  expect(server?.latencyUs).toBeGreaterThan(0);
});

it('reports the first subflow of MPTCP, accepted through its outer socket', async () => {
  const { client, server } = await observe('mptcp', { client: 1, server: 1 });
  expect((client?.flags ?? 0) & (server?.flags ?? 0) & RecordFlag.mptcp).toBeTruthy();
  expect(server?.acceptWaitUs).toBeGreaterThanOrEqual(0);
});

it('reports a simultaneous open once, as the client that it began as', async () => {
  const { client } = await observe('simultaneous_open', { client: 1, server: 0 });
  expect((client?.flags ?? 0) & RecordFlag.simultaneousOpen).toBeTruthy();
});
