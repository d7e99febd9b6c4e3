import os from 'node:os';
import { status } from '@grpc/grpc-js';
import { type Batch, LossCause, PROTOCOL_VERSION, Probe, SessionState } from '@synscope/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BATCH_MAX_WAIT_MS } from './batch/batcher.js';
import { AgentHarness } from './testing/agent-harness.js';
import { desiredSession } from './testing/desired-session.js';
import { ManualClock } from './testing/manual-clock.js';
import { wireName } from './testing/record-bytes.js';
import { HOOKS } from './testing/stand-in-probe.js';
import { type AgentStream, TestControlPlane } from './testing/test-control-plane.js';
import { AGENT_VERSION } from './version.js';

let harness: AgentHarness;
beforeEach(async () => {
  harness = await AgentHarness.start();
});
afterEach(async ({ task }) => {
  await harness.stop();
  if (task.result?.state === 'fail') console.error(harness.log.lines.join('\n'));
});

async function running(stream: AgentStream, revision = 1n, id = 1): Promise<void> {
  stream.desire(revision, [desiredSession(id)]);
  await stream.statuses.next(stateIs(SessionState.PENDING));
  await stream.statuses.next(stateIs(SessionState.RUNNING));
}

type ColumnKind = 'dnsQueries' | 'nameLookups' | 'receiveQueueDrops' | 'listeners';

/** Of the first batch that has them; kinds that were sent one after the other may share a batch or not. */
async function columns<K extends ColumnKind>(stream: AgentStream, kind: K): Promise<NonNullable<Batch[K]>> {
  const batch = await stream.batches.next((held) => held[kind] !== undefined);
  stream.batches.push(batch);
  return batch[kind] as NonNullable<Batch[K]>;
}

const pids = (batch: Batch) => batch.handshakes?.pid ?? [];
const stateIs = (state: SessionState) => (held: { state: SessionState }) => held.state === state;

describe('the agent', () => {
  it('says who and where it is and what its probe can measure', async () => {
    const { stream } = await harness.connected();
    expect(stream.hello).toMatchObject({
      protocolVersion: PROTOCOL_VERSION,
      agentVersion: AGENT_VERSION,
      hostname: os.hostname(),
      kernel: os.release(),
      labels: { env: 'test' },
      capabilities: [
        { name: 'tcp_handshake.client', available: true, detail: '' },
        { name: 'query_names', available: true, detail: '' },
      ],
      sessions: [],
    });
    expect(stream.hello.bootId).toHaveLength(16);
  });

  it('takes a session from the wish to stored records and an end', async () => {
    const { stream, run } = await harness.connected();
    stream.desire(7n, [desiredSession(1)]);
    expect(await stream.statuses.next()).toMatchObject({ state: SessionState.PENDING, revision: 7n });
    expect(await stream.statuses.next()).toMatchObject({
      state: SessionState.RUNNING,
      hooks: HOOKS.tcp_handshake,
    });

    const { revision, slots } = await run.configures.next();
    run.sendHandshakes([
      {
        revision,
        slots: 1n << BigInt(slots[0] ?? 0),
        pid: 42,
        latency_ns: 51_234_000n,
        process_name: Buffer.from('curl'),
      },
    ]);
    const batch = await stream.batches.next();
    expect(batch.seq).toBe(1n);
    expect(batch.handshakes).toMatchObject({
      rowCount: 1,
      pid: [42],
      latencyUsPlusOne: [51_235n],
      processNames: ['curl'],
      sessionSets: [{ sessionIds: [desiredSession(1).sessionId] }],
    });

    stream.desire(8n, []);
    expect(await run.configures.next()).toMatchObject({ slots: [] });
    expect(await stream.statuses.next()).toMatchObject({ state: SessionState.DONE, recordCount: 1n });
  });

  it('starts a killed probe again, with its sessions, and reports what its death lost', async () => {
    const { stream, run } = await harness.connected();
    await running(stream);
    const { revision } = await run.configures.next();
    run.sendStats({ tcp_handshake: { emitted: 5 }, name_lookup: { emitted: 4 } });
    run.sendHandshakes([
      { revision, slots: 1n },
      { revision, slots: 1n },
    ]);
    await stream.batches.next();
    run.kill();

    expect(await stream.statuses.next()).toMatchObject({
      state: SessionState.PENDING,
      error: 'the probe was killed by SIGKILL',
    });
    const successor = await harness.probe.runs.next();
    const again = await successor.configures.next();
    expect(again.slots).toEqual([0]);
    expect(again.revision).toBeGreaterThan(revision);
    await stream.statuses.next(stateIs(SessionState.RUNNING));
    const { loss } = await stream.batches.next();
    expect(loss).toMatchObject([
      { cause: LossCause.PROBE_RESTART, probe: Probe.TCP_HANDSHAKE, records: 3n },
      { cause: LossCause.PROBE_RESTART, probe: Probe.NAME_LOOKUP, records: 4n },
    ]);

    successor.sendHandshakes([{ revision: again.revision, slots: 1n, pid: 9 }]);
    expect(pids(await stream.batches.next())).toEqual([9]);
  });

  it('sends the probe’s loss with its interval, each kind once', async () => {
    const { stream, run } = await harness.connected();
    const first = { ringFull: 4 };
    run.sendStats({ monotonicNs: 2e9, wallOffsetNs: 2e18, tcp_handshake: { loss: first } });
    expect((await stream.batches.next()).loss).toMatchObject([
      { cause: LossCause.RING_FULL, probe: Probe.TCP_HANDSHAKE, records: 4n },
    ]);
    run.sendStats({
      monotonicNs: 3e9,
      wallOffsetNs: 2e18,
      tcp_handshake: { loss: { ringFull: 6, pendingTableFull: 1 } },
      dns: { loss: { ringFull: 5, tcpStream: 7 } },
    });
    const second = await stream.batches.next();
    expect(second.handshakes).toBeUndefined();
    expect(second.loss).toMatchObject([
      {
        cause: LossCause.RING_FULL,
        records: 2n,
        fromUs: 2_000_000_002_000_000n,
        untilUs: 2_000_000_003_000_000n,
      },
      { cause: LossCause.PENDING_TABLE_FULL, probe: Probe.TCP_HANDSHAKE, records: 1n },
      { cause: LossCause.RING_FULL, probe: Probe.DNS, records: 5n },
      { cause: LossCause.TCP_STREAM, probe: Probe.DNS, records: 7n },
    ]);
  });

  it('hands on what every probe records, each in its columns, counted by probe', async () => {
    const { stream, run } = await harness.connected();
    stream.desire(1n, [desiredSession(1, { probes: [Probe.DNS, Probe.LISTENER, Probe.NAME_LOOKUP] })]);
    expect(await stream.statuses.next(stateIs(SessionState.RUNNING))).toMatchObject({
      hooks: [...new Set([...HOOKS.dns, ...HOOKS.listener, ...HOOKS.name_lookup])],
    });
    const { revision } = await run.configures.next();
    const slots = 1n;
    run.sendDnsQueries([
      { revision, slots, name: wireName('WWW.Example.com'), query_type: 28, elapsed_ns: 5_000_000 },
      { revision, slots, name: wireName('www.example.com'), query_type: 1 },
    ]);
    run.sendNameLookups([{ revision, slots, name: Buffer.from('www.example.com.'), result_code: -2 }]);
    run.sendReceiveQueueDrops([{ revision, slots, drops: 9, local_port: 53 }]);
    run.sendListeners([
      { revision, slots, syns: 9, syns_refused_accept_queue_full: 4, local_port: 80 },
      { revision, slots, local_port: 443 },
      { revision, slots, local_port: 443 },
    ]);
    const dnsQueries = await columns(stream, 'dnsQueries');
    const nameLookups = await columns(stream, 'nameLookups');
    const receiveQueueDrops = await columns(stream, 'receiveQueueDrops');
    expect(dnsQueries).toMatchObject({
      queryNames: ['www.example.com'],
      queryNameIndex: [0, 0],
      queryType: [28, 1],
      elapsedUs: [5000n, 0n],
      sessionSets: [{ sessionIds: [desiredSession(1).sessionId] }],
    });
    expect(nameLookups).toMatchObject({ names: ['www.example.com'], resultCode: [-2] });
    expect(receiveQueueDrops).toMatchObject({ drops: [9n], localPort: [53] });
    expect(await columns(stream, 'listeners')).toMatchObject({
      syns: [9n, 0n, 0n],
      synsRefusedAcceptQueueFull: [4n, 0n, 0n],
      localPort: [80, 443, 443],
    });

    stream.desire(2n, []);
    expect(await stream.statuses.next(stateIs(SessionState.DONE))).toMatchObject({
      recordCount: 6n,
      recordCounts: [
        { probe: Probe.DNS, records: 2n },
        { probe: Probe.LISTENER, records: 3n },
        { probe: Probe.NAME_LOOKUP, records: 1n },
      ],
    });
  });

  it('lets names out as its configuration says, tells so, and refuses sessions that would tell more', async () => {
    const { stream, run } = await harness.connected({ queryNames: 'last-labels=2' });
    expect(stream.hello.capabilities).toContainEqual(
      expect.objectContaining({
        name: 'query_names',
        available: true,
        detail: 'only the last 2 labels of names leaves this host; it refuses sessions that filter by more',
      }),
    );
    const probes = [Probe.DNS, Probe.NAME_LOOKUP];
    stream.desire(1n, [
      desiredSession(1, { probes }),
      desiredSession(2, { probes, filter: { queryNames: ['www.example.com'] } }),
    ]);
    expect(await stream.statuses.next(stateIs(SessionState.FAILED))).toMatchObject({
      sessionId: desiredSession(2).sessionId,
      error: expect.stringContaining('filter.query_names[0] has 3 labels'),
    });
    const { revision, slots } = await run.configures.next();
    expect(slots).toEqual([0]);
    run.sendDnsQueries([{ revision, slots: 1n, name: wireName('secret.www.example.com') }]);
    run.sendNameLookups([{ revision, slots: 1n, name: Buffer.from('Other.Example.com') }]);
    expect((await columns(stream, 'dnsQueries')).queryNames).toEqual(['*.example.com']);
    expect((await columns(stream, 'nameLookups')).names).toEqual(['*.example.com']);
  });

  it('hashes names with a key of its own that outlives it', async () => {
    const names: (string | undefined)[] = [];
    for (let start = 0; start < 2; start++) {
      const { agent, stream, run } = await harness.connected({ queryNames: 'hash' });
      stream.desire(1n, [desiredSession(1, { probes: [Probe.DNS] })]);
      const { revision } = await run.configures.next();
      run.sendDnsQueries([{ revision, slots: 1n, name: wireName('www.example.com') }]);
      names.push((await stream.batches.next()).dnsQueries?.queryNames[0]);
      await agent.stop();
    }
    expect(names[0]).toMatch(/^[0-9a-f]{32}\.hashed\.invalid$/);
    expect(names[1]).toBe(names[0]);
  });

  it('goes on through an outage of the control plane and sends what was not acknowledged again, in order', async () => {
    const { stream, run } = await harness.connected();
    await running(stream);
    const { revision } = await run.configures.next();
    stream.acknowledging = false;
    run.sendHandshakes([{ revision, slots: 1n, pid: 1 }]);
    const first = await stream.batches.next();
    run.sendHandshakes([{ revision, slots: 1n, pid: 2 }]);
    const second = await stream.batches.next();
    stream.acknowledge(second.seq);
    run.sendHandshakes([{ revision, slots: 1n, pid: 3 }]);
    const third = await stream.batches.next();

    harness.plane.stop();
    await stream.ended;
    run.sendHandshakes([{ revision, slots: 1n, pid: 4 }]);
    await harness.plane.listen();
    const successor = await harness.plane.nextStream();
    expect(Buffer.from(successor.hello.bootId)).toEqual(Buffer.from(stream.hello.bootId));
    expect(successor.hello.sessions).toMatchObject([{ state: SessionState.RUNNING }]);
    const repeated = [await successor.batches.next(), await successor.batches.next()];
    expect(repeated).toEqual([first, third]);
    expect(await successor.batches.next()).toMatchObject({ seq: 4n, handshakes: { pid: [4] } });
    // Nothing was reconfigured.
    expect(run.configures.drain()).toEqual([]);
  });

  it('goes on at another replica when its own is gone, with what that one has not acknowledged', async () => {
    const other = await TestControlPlane.start(harness.plane.authority);
    try {
      await harness.agent({ server: `${harness.plane.address},${other.address}` }).start();
      // The agent begins at either.
      const ends = [harness.plane, other].map((plane) => ({ plane, stream: plane.nextStream() }));
      const used = await Promise.race(ends.map((end) => end.stream.then(() => end)));
      const stream = await used.stream;
      const run = await harness.probe.runs.next();
      await running(stream);
      const { revision } = await run.configures.next();
      stream.acknowledging = false;
      run.sendHandshakes([{ revision, slots: 1n, pid: 1 }]);
      const unacknowledged = await stream.batches.next();

      used.plane.stop();
      const successor = await (ends.find((end) => end !== used) ?? used).stream;
      expect(successor.hello.sessions).toMatchObject([{ state: SessionState.RUNNING }]);
      expect(await successor.batches.next()).toEqual(unacknowledged);
      expect(run.configures.drain()).toEqual([]);
    } finally {
      other.stop();
    }
  });

  it('has no more batches on their way than the control plane allows', async () => {
    harness.plane.terms.maxUnackedBatches = 2;
    const clock = new ManualClock(Date.now() * 1000);
    const { stream, run } = await harness.connected({}, clock);
    stream.acknowledging = false;
    for (let i = 1; i <= 3; i++) {
      run.sendStats({ tcp_handshake: { loss: { ringFull: i } } });
      // The answer to a configuration comes after the stats before it: they have been read.
      stream.desire(BigInt(i), [desiredSession(i)]);
      await stream.statuses.next(stateIs(SessionState.RUNNING));
      clock.advance(BATCH_MAX_WAIT_MS);
    }
    expect((await stream.batches.next()).seq).toBe(1n);
    expect((await stream.batches.next()).seq).toBe(2n);
    // A status sent now comes after any batch that was sent before it.
    stream.desire(9n, []);
    expect(stream.batches.drain()).toEqual([]);
    stream.acknowledge(1n);
    expect((await stream.batches.next()).seq).toBe(3n);
  });

  it('ends its sessions when the lease runs out and takes them up when the control plane is back', async () => {
    harness.plane.terms.leaseMs = 30_000;
    const clock = new ManualClock(Date.now() * 1000);
    const { stream, run } = await harness.connected({}, clock);
    await running(stream);
    expect(await run.configures.next()).toMatchObject({ slots: [0] });

    clock.advance(30_000);
    expect(await run.configures.next()).toMatchObject({ slots: [] });
    await stream.ended;
    // Beyond the first delay of the reconnection.
    clock.advance(500);
    const successor = await harness.plane.nextStream();
    expect(successor.hello.sessions).toMatchObject([{ state: SessionState.PENDING }]);
    await running(successor);
    expect((await run.configures.next()).slots).toHaveLength(1);
  });

  it('keeps the lease as long as anything is heard', async () => {
    harness.plane.terms.leaseMs = 30_000;
    const clock = new ManualClock(Date.now() * 1000);
    const { stream, run } = await harness.connected({}, clock);
    await running(stream);
    await run.configures.next();
    for (let revision = 2n; revision < 6n; revision++) {
      clock.advance(20_000);
      stream.desire(revision, [desiredSession(1), desiredSession(Number(revision))]);
      await stream.statuses.next(({ sessionId, state }) => {
        return sessionId[0] === Number(revision) && state === SessionState.RUNNING;
      });
      expect((await run.configures.next()).slots).toHaveLength(2);
    }
  });

  it('reports its own cost and the probe’s with the heartbeat', async () => {
    harness.plane.terms.heartbeatIntervalMs = 1_000;
    const clock = new ManualClock(Date.now() * 1000);
    const { stream, run } = await harness.connected({}, clock);
    run.sendStats();
    await running(stream);
    clock.advance(1_000);
    const { cost } = await stream.heartbeats.next(({ sentAtUs }) => sentAtUs === BigInt(clock.wallUs()));
    expect(cost).toMatchObject({ probeResidentBytes: 3_000_000n, bpfRunTimeNs: 1000n, bpfRunCount: 10n });
    expect(Number(cost?.agentResidentBytes)).toBeGreaterThan(1e6);
  });

  it('tells how far its clock is from that of the control plane as soon as it is connected', async () => {
    harness.plane.terms.clockOffsetUs = 90_000_000;
    const { stream } = await harness.connected();
    const { clockOffset } = await stream.heartbeats.next((heartbeat) => heartbeat.clockOffset !== undefined);
    const offUs = Number(clockOffset?.offsetUs) + 90_000_000;
    expect(Math.abs(offUs)).toBeLessThanOrEqual(Number(clockOffset?.uncertaintyUs));
  });

  it('reports what a session has recorded while it runs, with the heartbeat', async () => {
    harness.plane.terms.heartbeatIntervalMs = 50;
    const { stream, run } = await harness.connected();
    await running(stream);
    const { revision } = await run.configures.next();
    run.sendHandshakes([
      { revision, slots: 1n },
      { revision, slots: 1n },
    ]);
    const status = await stream.statuses.next(({ recordCount }) => recordCount > 0n);
    expect(status).toMatchObject({ state: SessionState.RUNNING, recordCount: 2n });
  });

  it('runs without a probe, says so, and fails sessions with the reason', async () => {
    const agent = harness.agent({ probe: '/nonexistent/synscope-probe' });
    await agent.start();
    const stream = await harness.plane.nextStream();
    const unavailable = stream.hello.capabilities.filter(({ available }) => !available);
    expect(unavailable.map(({ name }) => name)).toEqual([
      'tcp_handshake.client',
      'tcp_handshake.server',
      'tcp_handshake.accept_wait',
      'dns.client',
      'dns.resolver',
      'dns.late_after_close',
      'dns.receive_queue_drops',
      'listener.samples',
      'listener.refused_syns',
      'listener.dropped_acks',
      'name_lookup',
    ]);
    for (const { detail } of unavailable) expect(detail).toContain('does not exist');
    stream.desire(1n, [desiredSession(1)]);
    expect(await stream.statuses.next()).toMatchObject({
      state: SessionState.FAILED,
      error: 'the probe /nonexistent/synscope-probe does not exist: build it, or name it by --probe',
    });
  });

  it('does not use a probe of another wire version', async () => {
    harness.probe.hello = { ...harness.probe.hello, wireVersion: 1 };
    const agent = harness.agent();
    await agent.start();
    const stream = await harness.plane.nextStream();
    expect(stream.hello.capabilities[0]).toMatchObject({
      available: false,
      detail: expect.stringContaining('speaks wire version 1, this agent 2'),
    });
  });

  it('finds the batch that the control plane refuses and gives up that one alone', async () => {
    const { stream, run } = await harness.connected();
    await running(stream);
    const { revision } = await run.configures.next();
    stream.acknowledging = false;
    for (const pid of [1, 2, 3]) {
      run.sendHandshakes(new Array(2000).fill({ revision, slots: 1n, pid }));
      await stream.batches.next();
    }
    stream.fail(status.INVALID_ARGUMENT, 'handshakes.pid: out of range');

    // One at a time now: the second of them is the one that this control plane does not take.
    const second = await harness.plane.nextStream();
    second.acknowledging = false;
    expect(pids(await second.batches.next())[0]).toBe(1);
    second.acknowledge(1n);
    expect(pids(await second.batches.next())[0]).toBe(2);
    second.fail(status.INVALID_ARGUMENT, 'handshakes.pid: out of range');

    const third = await harness.plane.nextStream();
    expect(await third.batches.next()).toMatchObject({
      seq: 2n,
      loss: [{ cause: LossCause.AGENT_BUFFER_FULL, records: 2000n }],
    });
    expect(pids(await third.batches.next())[0]).toBe(3);
  });

  it('ends in order: sessions off, everything sent, probe ended', async () => {
    const { agent, stream, run } = await harness.connected();
    await running(stream);
    const { revision } = await run.configures.next();
    run.sendHandshakes([{ revision, slots: 1n, pid: 5 }]);
    // What the probe still hands over while it detaches.
    harness.probe.answer = ({ slots }) => {
      if (slots.length === 0) run.sendHandshakes([{ revision, slots: 1n, pid: 6 }]);
      return { attached: false, hooks: {}, errors: [] };
    };
    await agent.stop();
    await run.ended;
    await stream.ended;
    const batches = stream.batches.drain();
    expect(batches.flatMap(pids)).toEqual([5, 6]);
    expect(run.configures.drain().at(-1)?.slots).toEqual([]);
  });

  it('says that it was revoked and ends', async () => {
    const { agent, stream } = await harness.connected();
    stream.fail(status.PERMISSION_DENIED, 'agent revoked');
    expect(await agent.failure).toMatchObject({ code: 'revoked', exitStatus: 1 });
  });

  it('survives a probe that sends nonsense', async () => {
    const { stream, run } = await harness.connected();
    await running(stream);
    run.send(77, Buffer.from('what is this'));
    const successor = await harness.probe.runs.next();
    expect((await successor.configures.next()).slots).toEqual([0]);
    expect(harness.log.lines.join('\n')).toContain('a frame of unknown type 77');
  });
});
