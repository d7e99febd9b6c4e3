import { create } from '@bufbuild/protobuf';
import type { SlotSpec } from '@synscope/probe-wire';
import {
  type DesiredSession,
  DesiredSessionsSchema,
  Probe,
  SessionState,
  type SessionStatus,
} from '@synscope/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { desiredSession } from '../testing/desired-session.js';
import { ManualClock } from '../testing/manual-clock.js';
import { TestLog } from '../testing/test-log.js';
import { SessionTable } from './session-table.js';

const HOOKS = ['cgroup_sockops'];
const SERVER_OFFSET_US = 5 * 60 * 1_000_000;

let clock: ManualClock;
let table: SessionTable;
let configures: { revision: number; slots: readonly SlotSpec[] }[];
let statuses: SessionStatus[];
let lastSeq: number;
let acknowledged: number;

beforeEach(() => {
  clock = new ManualClock();
  configures = [];
  statuses = [];
  lastSeq = 0;
  acknowledged = 0;
  table = new SessionTable(
    {
      configure: (revision, slots) => configures.push({ revision, slots }),
      report: (status) => statuses.push(status),
      flush: () => lastSeq,
      acknowledgedThrough: () => acknowledged,
    },
    clock,
    new TestLog(),
  );
  table.probeUp();
  table.connected(clock.wallUs() + SERVER_OFFSET_US);
});

function desire(revision: bigint, ...sessions: DesiredSession[]): void {
  table.apply(create(DesiredSessionsSchema, { revision, sessions }));
}

function confirm(errors: { slot: number | null; message: string }[] = [], attached = true): void {
  const revision = configures.at(-1)?.revision ?? 0;
  table.configured({ revision, attached, hooks: attached ? HOOKS : [], errors });
}

/** The slots of the last configuration. */
const slots = () => configures.at(-1)?.slots.map(({ slot }) => slot);
const states = (id: number) =>
  statuses.filter(({ sessionId }) => sessionId[0] === id).map(({ state }) => SessionState[state]);
const lastStatus = (id: number) => statuses.filter(({ sessionId }) => sessionId[0] === id).at(-1);

function routed(revision: number, slot: number): number[] | string {
  const bit = 2 ** (slot & 31);
  const route = table.route(revision, slot < 32 ? bit : 0, slot < 32 ? 0 : bit);
  return typeof route === 'string' ? route : route.sessionIds.map((id) => id[0] ?? -1);
}

describe('SessionTable', () => {
  it('calls a session running only when the probe has confirmed it, and names the hooks', () => {
    desire(4n, desiredSession(1));
    expect(states(1)).toEqual(['PENDING']);
    confirm();
    expect(lastStatus(1)).toMatchObject({ state: SessionState.RUNNING, revision: 4n, hooks: HOOKS });
  });

  it('fails a session with the probe’s words if its slot has an error, and frees the slot', () => {
    desire(1n, desiredSession(1), desiredSession(2));
    confirm([{ slot: 0, message: 'too many prefixes' }]);
    expect(lastStatus(1)).toMatchObject({ state: SessionState.FAILED, error: 'too many prefixes' });
    expect(lastStatus(2)?.state).toBe(SessionState.RUNNING);
    expect(slots()).toEqual([1]);
  });

  it('fails every session if the probe could attach nothing', () => {
    desire(1n, desiredSession(1), desiredSession(2));
    confirm([{ slot: null, message: 'no BTF' }], false);
    expect(lastStatus(1)).toMatchObject({ state: SessionState.FAILED, error: 'no BTF' });
    expect(lastStatus(2)).toMatchObject({ state: SessionState.FAILED, error: 'no BTF' });
  });

  it('goes on with what is left if the probe could not attach all', () => {
    desire(1n, desiredSession(1));
    confirm([{ slot: null, message: 'no tp_btf' }]);
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
    const route = table.route(1, 0b101, 0b10);
    expect(typeof route === 'string' ? route : route.sessionIds.map((id) => id[0])).toEqual([1, 3, 34]);
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
    [desiredSession(1, { probes: [Probe.TCP_HANDSHAKE, Probe.DNS] }), /no probe dns; it has tcp_handshake/],
    [desiredSession(1, { probes: [] }), /names no probe/],
    [desiredSession(1, { sampleRate: 0 }), /sample_rate is 0/],
    [desiredSession(1, { filter: { remotePorts: [70000] } }), /filter\.remote_ports\[0\] is 70000/],
    [
      desiredSession(1, { filter: { processNames: ['x'.repeat(16)] } }),
      /filter\.process_names\[0\] has 16 bytes/,
    ],
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
    expect(table.route(1, 0b11, 0)).toMatchObject({ sessionIds: [{ 0: 1 }, { 0: 2 }] });
    expect(routed(1, 0)).toBe('max_records');
    expect(table.route(1, 0b11, 0)).toMatchObject({ sessionIds: [{ 0: 2 }] });
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
