/** The probe on other kernels: one object, loaded and attached whole, with the same records as on this host. */
import { FrameType, parseConfigured, parseHello, parseStats, RecordFlag } from '@synscope/probe-wire';
import { beforeAll, describe, expect, it } from 'vitest';
import { type HandshakeRecord, isOf, readRecords } from '../../bpf/test/probe-process.js';
import { type GuestReport, runInGuest } from './guest.js';
import { kernelImages } from './kernel-image.js';

const SERIES = ['5.10', '6.1', '6.12'];

interface Expectation {
  readonly client?: Partial<HandshakeRecord>;
  readonly server?: Partial<HandshakeRecord>;
  /** Of the server's record. */
  readonly flag?: number;
}

const established = { outcome: 'established', processName: 'traffic' };
const unaccepted = { outcome: 'established', acceptWaitUs: -1, pid: 0 };

const SCENARIOS: Readonly<Record<string, Expectation>> = {
  established_ipv4: { client: established, server: established },
  established_ipv6: { client: established, server: established },
  dual_stack: { client: established, server: established },
  slow_accept: { client: established, server: established },
  refused: { client: { outcome: 'refused' } },
  aborted: { client: { outcome: 'aborted' } },
  timed_out: { client: { outcome: 'timed_out', processName: 'traffic' } },
  request_reset: { client: { outcome: 'aborted' }, server: { outcome: 'reset', synAckRetransmits: 1 } },
  reset_before_accept: { client: established, server: unaccepted },
  never_accepted: { client: established, server: unaccepted, flag: RecordFlag.notYetAccepted },
  syn_cookie: { client: established, server: { ...established, latencyUs: -1 }, flag: RecordFlag.synCookie },
  simultaneous_open: { client: established },
};

/** What a kernel cannot measure. */
const MISSING: Readonly<Record<string, readonly string[]>> = {
  // Drop reasons came with 5.17.
  '5.10': ['dns.late_after_close'],
};

const images = await kernelImages(SERIES);

describe.each(SERIES)('Linux %s', (series) => {
  let guest: GuestReport;
  let records: HandshakeRecord[];

  beforeAll(async () => {
    guest = await runInGuest(images.get(series) ?? '', Object.keys(SCENARIOS));
    records = guest.frames
      .filter(([type]) => type === FrameType.handshakes)
      .flatMap(([, payload]) => readRecords(payload));
  });

  const frame = (type: number) =>
    guest.frames.filter(([frameType]) => frameType === type).map(([, payload]) => payload);

  it('takes every program', () => {
    const [hello] = frame(FrameType.hello).map(parseHello);
    const unavailable = hello?.capabilities.filter(({ available }) => !available).map(({ name }) => name);
    expect(unavailable).toEqual(MISSING[series] ?? []);
    const [attached] = frame(FrameType.configured).map(parseConfigured);
    expect(attached?.errors).toEqual([]);
    expect(Object.keys(attached?.hooks ?? {})).toEqual(['tcp_handshake', 'dns']);
    const stats = frame(FrameType.stats).map(parseStats).at(-1);
    expect(stats?.probes.tcp_handshake.loss).toMatchObject({ ringFull: 0, pendingTableFull: 0 });
  });

  it.each(Object.entries(SCENARIOS))('records %s', (scenario, { client, server, flag }) => {
    const truth = guest.traffic.get(scenario);
    if (truth === undefined) throw new Error('the scenario did not run');
    const clients = records.filter((record) => record.role === 'client' && isOf(truth)(record));
    // A server's record may have no process; the client's ISN is in both.
    const servers = records.filter(
      ({ role, clientIsn }) => role === 'server' && clients.some((record) => record.clientIsn === clientIsn),
    );
    expect([clients.length, servers.length]).toEqual([client ? 1 : 0, server ? 1 : 0]);
    if (client) expect(clients[0]).toMatchObject(client);
    if (server) expect(servers[0]).toMatchObject(server);
    if (flag) expect((servers[0]?.flags ?? 0) & flag).toBe(flag);
  });
});
