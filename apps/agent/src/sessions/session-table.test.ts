import { createSecretKey } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { PROBE_NAMES, type ProbeConfigured, type ProbeName, type SlotSpec } from '@synscope/probe-wire';
import {
  type DesiredSession,
  DesiredSessionsSchema,
  Probe,
  SessionState,
  type SessionStatus,
} from '@synscope/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { NamePolicy } from '../names/name-policy.js';
import type { HostPolicy } from '../policy/host-policy.js';
import { desiredSession } from '../testing/desired-session.js';
import { ManualClock } from '../testing/manual-clock.js';
import { HOOKS, hooksOf } from '../testing/stand-in-probe.js';
import { TestLog } from '../testing/test-log.js';
import { SessionTable } from './session-table.js';

const SERVER_OFFSET_US = 5 * 60 * 1_000_000;

let clock: ManualClock;
let table: SessionTable;
let configures: { revision: number; slots: readonly SlotSpec[] }[];
let statuses: SessionStatus[];
let lastSeq: number;
let acknowledged: number;
let hostPolicy: HostPolicy;

beforeEach(() => startTable({ kind: 'full' }));

function startTable(names: NamePolicy): void {
  clock = new ManualClock();
  configures = [];
  statuses = [];
  lastSeq = 0;
  acknowledged = 0;
  hostPolicy = {};
  table = new SessionTable(
    {
      configure: (revision, slots) => configures.push({ revision, slots }),
      report: (status) => statuses.push(status),
      flush: () => lastSeq,
      hostPolicy: () => hostPolicy,
      acknowledgedThrough: () => acknowledged,
    },
    names,
    clock,
    new TestLog(),
  );
  table.probeUp();
  table.connected(clock.wallUs() + SERVER_OFFSET_US);
}

function desire(revision: bigint, ...sessions: DesiredSession[]): void {
  table.apply(create(DesiredSessionsSchema, { revision, sessions }));
}

/** The probe's answer: attached is what sessions ask for, but for the probes of `missing`. */
function confirm(
  errors: ProbeConfigured['errors'] = [],
  attached = true,
  missing: readonly ProbeName[] = [],
): void {
  const { revision, slots } = configures.at(-1) ?? { revision: 0, slots: [] };
  const asked = PROBE_NAMES.filter((name) => slots.some(({ probes }) => probes.includes(name)));
  const hooks = attached ? hooksOf(asked.filter((name) => !missing.includes(name))) : {};
  table.configured({ revision, attached, hooks, errors });
}

const noProbe = (message: string) => [{ slot: null, probe: null, message }];

/** The slots of the last configuration. */
const slots = () => configures.at(-1)?.slots.map(({ slot }) => slot);
const states = (id: number) =>
  statuses.filter(({ sessionId }) => sessionId[0] === id).map(({ state }) => SessionState[state]);
const lastStatus = (id: number) => statuses.filter(({ sessionId }) => sessionId[0] === id).at(-1);

function route(revision: number, slotsLow: number, slotsHigh: number, probe: ProbeName | undefined) {
  return table.route({ revision, slotsLow, slotsHigh }, probe);
}

function routed(revision: number, slot: number, probe: ProbeName = 'tcp_handshake') {
  const bit = 2 ** (slot & 31);
  const route = table.route(
    { revision, slotsLow: slot < 32 ? bit : 0, slotsHigh: slot < 32 ? 0 : bit },
    probe,
  );
  return typeof route === 'string' ? route : route.sessionIds.map((id) => id[0] ?? -1);
}

describe('SessionTable', () => {
  it('calls a session running only when the probe has confirmed it, and names the hooks', () => {
    desire(4n, desiredSession(1));
    expect(states(1)).toEqual(['PENDING']);
    confirm();
    expect(lastStatus(1)).toMatchObject({
      state: SessionState.RUNNING,
      revision: 4n,
      hooks: HOOKS.tcp_handshake,
    });
  });

  it('fails a session with the probe’s words if its slot has an error, and frees the slot', () => {
    desire(1n, desiredSession(1), desiredSession(2));
    confirm([{ slot: 0, probe: null, message: 'too many prefixes' }]);
    expect(lastStatus(1)).toMatchObject({ state: SessionState.FAILED, error: 'too many prefixes' });
    expect(lastStatus(2)?.state).toBe(SessionState.RUNNING);
    expect(slots()).toEqual([1]);
  });

  it('fails every session if the probe could attach nothing', () => {
    desire(1n, desiredSession(1), desiredSession(2));
    confirm(noProbe('no BTF'), false);
    expect(lastStatus(1)).toMatchObject({ state: SessionState.FAILED, error: 'no BTF' });
    expect(lastStatus(2)).toMatchObject({ state: SessionState.FAILED, error: 'no BTF' });
  });

  it('goes on with what is left if the probe could not attach all', () => {
    desire(1n, desiredSession(1));
    confirm(noProbe('no tp_btf'));
    expect(lastStatus(1)?.state).toBe(SessionState.RUNNING);
  });

  it('never labels a record with the session that took over its slot', () => {
    for (let id = 1; id <= 64; id++) {
      desire(BigInt(id), desiredSession(id));
      confirm();
    }
    const before = configures.at(-1)?.revision ?? 0;
    expect(slots()).toEqual([63]);
    desire(65n, desiredSession(65), desiredSession(64));
    confirm();
    desire(66n, desiredSession(66), desiredSession(65));
    const after = configures.at(-1)?.revision ?? 0;
    // Slots go round: 65 sits in slot 0 now, which session 1 held in the first revision.
    expect(slots()?.sort()).toEqual([0, 1]);
    expect(routed(before, 63)).toEqual([64]);
    expect(routed(after, 0)).toEqual([65]);
    expect(routed(after, 1)).toEqual([66]);
    expect(routed(after, 63)).toBe('unknown_slot');
  });

  it('gives a record all the sessions that it matched', () => {
    desire(1n, ...Array.from({ length: 40 }, (_, i) => desiredSession(i + 1)));
    confirm();
    const found = route(1, 0b101, 0b10, 'tcp_handshake');
    expect(typeof found === 'string' ? found : found.sessionIds.map((id) => id[0])).toEqual([1, 3, 34]);
  });

  it('refuses the 65th session and says why', () => {
    desire(1n, ...Array.from({ length: 65 }, (_, i) => desiredSession(i + 1)));
    expect(lastStatus(65)).toMatchObject({
      state: SessionState.FAILED,
      error: 'this agent runs 64 sessions already, the most that it can',
    });
    expect(slots()).toHaveLength(64);
  });

  it.each([
    [
      desiredSession(1, { probes: [Probe.TCP_HANDSHAKE, 77 as Probe] }),
      /no probe number 77; it has tcp_handshake, dns, listener, name_lookup/,
    ],
    [desiredSession(1, { probes: [] }), /names no probe/],
    [desiredSession(1, { sampleRate: 0 }), /sample_rate is 0/],
    [desiredSession(1, { filter: { remotePorts: [70000] } }), /filter\.remote_ports\[0\] is 70000/],
    [
      desiredSession(1, { filter: { processNames: ['x'.repeat(16)] } }),
      /filter\.process_names\[0\] has 16 bytes/,
    ],
    [
      desiredSession(1, { filter: { queryNameSuffixes: ['Example.com'] } }),
      /filter\.query_name_suffixes\[0\] is no domain name in lower case/,
    ],
    [desiredSession(1, { filter: { dnsPorts: new Array(9).fill(53) } }), /filter\.dns_ports has 9 entries/],
    [desiredSession(1, { filter: { responseCodes: [4096] } }), /filter\.response_codes\[0\] is 4096/],
  ])('refuses what it cannot run, in words (%#)', (spec, problem) => {
    desire(1n, spec, desiredSession(2));
    expect(lastStatus(1)?.state).toBe(SessionState.FAILED);
    expect(lastStatus(1)?.error).toMatch(problem);
    expect(slots()).toEqual([0]);
  });

  it('hands the filter to the kernel in its units', () => {
    desire(
      1n,
      desiredSession(1, {
        sampleRate: 0.25,
        filter: {
          minLatencyUs: 20_000n,
          roles: [2],
          outcomes: [1, 3],
          localPorts: [443],
          processNames: ['nginx'],
        },
      }),
    );
    expect(configures[0]?.slots[0]).toMatchObject({
      minLatencyNs: 20_000_000n,
      sampleThreshold: 2 ** 30 - 1,
      roles: [2],
      outcomes: [1, 3],
      localPorts: [443],
      processNames: ['nginx'],
    });
  });

  it('hands the filter for DNS to the kernel, for each of the session’s probes', () => {
    const prefix = { address: Buffer.of(10, 0, 0, 0), length: 8 };
    desire(
      1n,
      desiredSession(1, {
        probes: [Probe.NAME_LOOKUP, Probe.DNS, Probe.DNS],
        filter: {
          dnsSides: [2],
          dnsOutcomes: [2, 3],
          dnsPorts: [53, 5353],
          dnsServerPrefixes: [prefix],
          queryTypes: [0, 28],
          responseCodes: [0, 2],
          queryNames: ['www.example.com'],
          queryNameSuffixes: ['example.org'],
        },
      }),
    );
    expect(configures[0]?.slots[0]).toMatchObject({
      probes: ['dns', 'name_lookup'],
      dnsSides: [2],
      dnsOutcomes: [2, 3],
      dnsPorts: [53, 5353],
      dnsServerPrefixes: [prefix],
      queryTypes: [0, 28],
      responseCodes: [0, 2],
      queryNames: ['www.example.com'],
      queryNameSuffixes: ['example.org'],
    });
  });

  it('tells each session of the hooks and the errors of its own probes', () => {
    desire(
      1n,
      desiredSession(1),
      desiredSession(2, { probes: [Probe.TCP_HANDSHAKE, Probe.DNS] }),
      desiredSession(3, { probes: [Probe.DNS] }),
      desiredSession(4, { probes: [Probe.NAME_LOOKUP] }),
    );
    confirm([{ slot: null, probe: 'name_lookup', message: 'no C library' }], true, ['name_lookup']);
    expect(lastStatus(1)).toMatchObject({ state: SessionState.RUNNING, hooks: HOOKS.tcp_handshake });
    expect(lastStatus(2)?.hooks).toEqual([
      'cgroup_sockops',
      'tp_btf/tcp_retransmit_synack',
      'cgroup_skb/egress',
    ]);
    expect(lastStatus(3)).toMatchObject({ state: SessionState.RUNNING, hooks: HOOKS.dns, error: '' });
    expect(lastStatus(4)).toMatchObject({ state: SessionState.FAILED, error: 'name_lookup: no C library' });
    expect(slots()).toEqual([0, 1, 2]);
  });

  it('runs a session without the probe that could not be attached, and says so', () => {
    desire(1n, desiredSession(1, { probes: [Probe.TCP_HANDSHAKE, Probe.NAME_LOOKUP] }));
    confirm([{ slot: null, probe: 'name_lookup', message: 'no C library' }], true, ['name_lookup']);
    expect(lastStatus(1)).toMatchObject({
      state: SessionState.RUNNING,
      hooks: HOOKS.tcp_handshake,
      error: 'name_lookup: no C library',
    });
  });

  it('counts records by probe, and all of them towards max_records', () => {
    desire(1n, desiredSession(1, { probes: [Probe.TCP_HANDSHAKE, Probe.DNS], maxRecords: 3n }));
    confirm();
    // What is counted as no probe's: drops of a receive queue.
    expect(typeof route(1, 1, 0, undefined)).toBe('object');
    for (const probe of ['dns', 'tcp_handshake', 'dns'] as const) {
      expect(routed(1, 0, probe)).toEqual([1]);
    }
    expect(routed(1, 0, 'dns')).toBe('max_records');
    confirm([], false);
    expect(lastStatus(1)).toMatchObject({
      recordCount: 3n,
      recordCounts: [
        { probe: Probe.TCP_HANDSHAKE, records: 1n },
        { probe: Probe.DNS, records: 2n },
      ],
    });
  });

  it('refuses a session whose names do not fit beside those of the others', () => {
    const long = Array.from({ length: 64 }, (_, i) => `${'x'.repeat(60)}.`.repeat(4).concat(`${i}`));
    const filter = { queryNames: long, queryNameSuffixes: long };
    desire(1n, ...Array.from({ length: 40 }, (_, i) => desiredSession(i + 1, { filter })));
    const failed = statuses.filter(({ state }) => state === SessionState.FAILED);
    expect(failed.length).toBeGreaterThan(0);
    expect(failed[0]?.error).toMatch(/need \d+ bytes with this one, and the probe takes 1048576/);
    expect(slots()).toHaveLength(40 - failed.length);
  });

  it('fails a running session whose new filter cannot be run, and frees its slot', () => {
    desire(1n, desiredSession(1));
    confirm();
    desire(2n, desiredSession(1, { filter: { remotePorts: [70_000] } }));
    expect(lastStatus(1)).toMatchObject({
      state: SessionState.FAILED,
      error: expect.stringContaining('filter.remote_ports[0] is 70000'),
    });
    expect(slots()).toEqual([]);
  });

  it('refuses sessions that filter by more of a name than the host lets out', () => {
    startTable({ kind: 'last_labels', labels: 2 });
    desire(
      1n,
      desiredSession(1, { filter: { queryNames: ['example.com'], queryNameSuffixes: ['com'] } }),
      desiredSession(2, { filter: { queryNames: ['example.com', 'www.example.com'] } }),
    );
    expect(slots()).toEqual([0]);
    expect(lastStatus(2)?.error).toBe(
      'filter.query_names[1] has 3 labels, and this host lets out only the last 2 labels of names (--query-names last-labels=2): shorten it',
    );
    startTable({ kind: 'hash', key: createSecretKey(Buffer.alloc(32)) });
    desire(1n, desiredSession(1), desiredSession(2, { filter: { queryNameSuffixes: ['com'] } }));
    expect(slots()).toEqual([0]);
    expect(lastStatus(2)?.error).toMatch(/^filter\.query_name_suffixes cannot be used .*--query-names hash/);
  });

  it('sends one configuration at a time and the latest wish next', () => {
    desire(1n, desiredSession(1));
    desire(2n, desiredSession(1), desiredSession(2));
    desire(3n, desiredSession(2));
    expect(configures).toHaveLength(1);
    confirm();
    expect(configures).toHaveLength(2);
    expect(slots()).toEqual([1]);
    expect(states(2)).toEqual(['PENDING']);
    confirm();
    expect(states(2)).toEqual(['PENDING', 'RUNNING']);
    expect(states(1).at(-1)).toBe('DONE');
  });

  it('ignores a list older than the last one, but not on a new stream', () => {
    desire(5n, desiredSession(1));
    confirm();
    desire(4n);
    expect(table.runningCount).toBe(1);
    table.connected(clock.wallUs());
    desire(4n);
    expect(table.runningCount).toBe(0);
  });

  it('reports DONE once the last records are acknowledged', () => {
    desire(1n, desiredSession(1));
    confirm();
    desire(2n);
    lastSeq = 3;
    acknowledged = 2;
    confirm([], false);
    expect(states(1)).toEqual(['PENDING', 'RUNNING']);
    acknowledged = 3;
    table.acknowledged();
    expect(states(1)).toEqual(['PENDING', 'RUNNING', 'DONE']);
    expect(table.statuses()).toEqual([]);
  });

  it('does not wait for acknowledgements for ever', () => {
    desire(1n, desiredSession(1));
    confirm();
    desire(2n);
    lastSeq = 3;
    confirm([], false);
    clock.advance(5_000);
    expect(states(1).at(-1)).toBe('DONE');
  });

  it('ends a session at ends_at by the control plane’s clock', () => {
    const endsAtUs = BigInt(clock.wallUs() + SERVER_OFFSET_US + 10_000_000);
    desire(1n, desiredSession(1, { endsAtUs }));
    confirm();
    clock.advance(9_999);
    expect(slots()).toEqual([0]);
    clock.advance(1);
    expect(slots()).toEqual([]);
    confirm([], false);
    expect(states(1).at(-1)).toBe('DONE');
    // Still desired: it stays done and does not start again.
    desire(2n, desiredSession(1, { endsAtUs }));
    expect(slots()).toEqual([]);
    expect(table.statuses()).toMatchObject([{ state: SessionState.DONE }]);
  });

  it('ends a session at max_records and tells what comes beyond from what belongs to others', () => {
    desire(1n, desiredSession(1, { maxRecords: 2n }), desiredSession(2));
    confirm();
    expect(routed(1, 0)).toEqual([1]);
    expect(route(1, 0b11, 0, 'dns')).toMatchObject({ sessionIds: [{ 0: 1 }, { 0: 2 }] });
    expect(routed(1, 0)).toBe('max_records');
    expect(route(1, 0b11, 0, 'dns')).toMatchObject({ sessionIds: [{ 0: 2 }] });
    expect(slots()).toEqual([1]);
    confirm();
    expect(lastStatus(1)).toMatchObject({ state: SessionState.DONE, recordCount: 2n });
  });

  it('takes everything off when the lease runs out, and up again when it is still desired', () => {
    desire(1n, desiredSession(1, { maxRecords: 3n }), desiredSession(2));
    confirm();
    routed(1, 0);
    table.suspendAll();
    expect(slots()).toEqual([]);
    confirm([], false);
    expect(table.statuses().map(({ state }) => state)).toEqual([SessionState.PENDING, SessionState.PENDING]);
    table.connected(clock.wallUs());
    desire(1n, desiredSession(1, { maxRecords: 3n }));
    confirm();
    // What it had recorded before still counts.
    expect(lastStatus(1)).toMatchObject({ state: SessionState.RUNNING, recordCount: 1n });
    expect(states(2).at(-1)).toBe('DONE');
  });

  it('configures a restarted probe with all that was running', () => {
    desire(1n, desiredSession(1), desiredSession(2));
    confirm();
    table.probeDown('the probe was killed by SIGKILL');
    expect(lastStatus(1)).toMatchObject({
      state: SessionState.PENDING,
      error: 'the probe was killed by SIGKILL',
    });
    table.probeUp();
    expect(slots()).toEqual([0, 1]);
    expect(configures.at(-1)?.revision).toBeGreaterThan(configures[0]?.revision ?? 0);
    confirm();
    expect(states(2)).toEqual(['PENDING', 'RUNNING', 'PENDING', 'RUNNING']);
  });

  it('fails sessions when the probe cannot run, also those that come later', () => {
    desire(1n, desiredSession(1));
    table.probeUnavailable('the probe does not exist');
    desire(2n, desiredSession(1), desiredSession(2));
    for (const id of [1, 2]) {
      expect(lastStatus(id)).toMatchObject({ state: SessionState.FAILED, error: 'the probe does not exist' });
    }
  });

  it('leaves no timer behind', () => {
    desire(1n, desiredSession(1, { endsAtUs: BigInt(clock.wallUs() + 10 ** 10) }));
    confirm();
    desire(2n);
    confirm([], false);
    expect(clock.timers).toBe(0);
  });
});

describe('the policy of the host', () => {
  it('refuses a session beyond it, with the field and the limit', () => {
    hostPolicy = { maxSampleRate: 0.1 };
    desire(1n, desiredSession(1), desiredSession(2, { sampleRate: 0.1 }));
    expect(lastStatus(1)).toMatchObject({
      state: SessionState.FAILED,
      error: 'the policy of this host (maxSampleRate) allows 0.1, and sample_rate is 1: lower it',
    });
    confirm();
    expect(states(2)).toEqual(['PENDING', 'RUNNING']);
  });

  it('counts the sessions that run', () => {
    hostPolicy = { maxSessions: 1 };
    desire(1n, desiredSession(1), desiredSession(2));
    expect(states(1)).toEqual(['PENDING']);
    expect(lastStatus(2)?.error).toContain('(maxSessions) allows 1 sessions at once');
    desire(2n);
    confirm();
    confirm();
    desire(3n, desiredSession(3));
    expect(states(3)).toEqual(['PENDING']);
  });

  it('cuts a session that is to run for longer, says so while it runs and when it ends, and gives it no more after a reconnection', () => {
    hostPolicy = { maxDurationSeconds: 60 };
    const endsAtUs = BigInt(clock.wallUs() + SERVER_OFFSET_US + 3_600_000_000);
    const cut = 'the policy of this host (maxDurationSeconds) ends sessions after 60 s';
    desire(1n, desiredSession(1, { endsAtUs }));
    confirm();
    expect(lastStatus(1)).toMatchObject({ state: SessionState.RUNNING, error: cut });
    clock.advance(59_000);
    table.suspendAll();
    confirm();
    table.connected(clock.wallUs() + SERVER_OFFSET_US);
    desire(2n, desiredSession(1, { endsAtUs }));
    confirm();
    clock.advance(1_000);
    confirm();
    expect(lastStatus(1)).toMatchObject({ state: SessionState.DONE, error: cut });
  });

  it('does not touch a session that asks for just what is allowed', () => {
    hostPolicy = { maxDurationSeconds: 60 };
    desire(1n, desiredSession(1, { endsAtUs: BigInt(clock.wallUs() + SERVER_OFFSET_US + 60_000_000) }));
    confirm();
    expect(lastStatus(1)).toMatchObject({ state: SessionState.RUNNING, error: '' });
  });

  it('ends what it no longer allows when it changes, and leaves the rest', () => {
    desire(1n, desiredSession(1), desiredSession(2, { probes: [Probe.DNS] }));
    confirm();
    hostPolicy = { probes: ['dns'] };
    table.policyChanged();
    expect(lastStatus(1)).toMatchObject({
      state: SessionState.FAILED,
      error: expect.stringContaining('(probes) does not allow tcp_handshake, only dns'),
    });
    confirm();
    expect(slots()).toHaveLength(1);
    expect(states(2)).toEqual(['PENDING', 'RUNNING']);
  });
});
