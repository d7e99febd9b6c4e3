import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  attachedLibraries,
  LesserProbeProcess,
  LookupProcess,
  LookupRecords,
  lookupSlot,
} from './lookup-process.js';
import { ProbeProcess } from './probe-process.js';

/** include/uapi/…/netdb.h, the same in glibc and musl. */
const EAI_NONAME = -2;
const EAI_AGAIN = -3;
const AF_INET = 2;
const AF_INET6 = 10;
/** NameLookupFlag. */
const CUT = 1;
let probe: ProbeProcess;
let records: LookupRecords;
const processes: LookupProcess[] = [];

beforeEach(() => {
  probe = new ProbeProcess();
  records = new LookupRecords(probe);
});

afterEach(async () => {
  await Promise.all([probe.end(), ...processes.splice(0).map((each) => each.end())]);
});

async function startLookups(): Promise<LookupProcess> {
  const started = await LookupProcess.start();
  processes.push(started);
  return started;
}

it('says that it can see lookups, and attaches only while a session asks for them', async () => {
  const lookups = await startLookups();
  const { capabilities } = await probe.hello;
  expect(capabilities).toContainEqual({ name: 'name_lookup', available: true, detail: '' });
  const answer = await probe.configure(lookupSlot(0));
  expect(answer).toMatchObject({ attached: true, errors: [] });
  expect(answer.hooks).toEqual({ name_lookup: ['uretprobe/getaddrinfo', 'uprobe/getaddrinfo'] });
  await lookups.run('lookup', 'seen.test');
  expect(await records.take('seen.test')).toBeDefined();
  expect(await probe.configure()).toMatchObject({ attached: false, hooks: {} });
  expect(await attachedLibraries(probe)).toBe(0);
  await lookups.run('lookup', 'unseen.test');
  await probe.configure(lookupSlot(0));
  await lookups.run('lookup', 'again.test');
  expect(await records.take('again.test')).toBeDefined();
  expect(records.named('unseen.test')).toEqual([]);
});

it('sees the host’s own library without CAP_SYS_PTRACE, and says that it is all', async () => {
  const lesser = new LesserProbeProcess();
  try {
    const seenByLesser = new LookupRecords(lesser);
    const { capabilities } = await lesser.hello;
    const capability = capabilities.find(({ name }) => name === 'name_lookup');
    expect(capability).toMatchObject({ available: true });
    expect(capability?.detail).toMatch(/^without CAP_SYS_PTRACE .* only the host's own C library is seen/);
    expect(await lesser.configure(lookupSlot(0))).toMatchObject({ attached: true, errors: [] });
    const lookups = await startLookups();
    await lookups.run('lookup', 'nxdomain.lesser.test');
    expect(await seenByLesser.take('nxdomain.lesser.test')).toBeDefined();
  } finally {
    await lesser.end();
  }
});

it('leaves looking for libraries to a process that ends with the probe, even if that is killed', async () => {
  await probe.hello;
  const parents = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => ({ name, stat: await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '') })),
  );
  // proc_pid_stat(5): the state and the parent's id are behind the name in parentheses.
  const child = parents.find(({ stat }) => new RegExp(`\\) . ${probe.process.pid} `).test(stat));
  const state = async () =>
    /\) (.)/.exec(await readFile(`/proc/${child?.name}/stat`, 'utf8').catch(() => ''))?.[1] ?? 'gone';
  expect(child?.stat).toContain('(synscope-finder)');
  expect(await readFile(`/proc/${child?.name}/status`, 'utf8')).toMatch(/^CapPrm:\s*0000014000280000$/m);
  const closed = once(probe.process, 'close');
  probe.process.kill('SIGKILL');
  await closed;
  // Z: it has ended, and nobody has asked how.
  await expect.poll(state).toMatch(/^(gone|Z)$/);
});

it('records who looked what up, and with which result', async () => {
  const lookups = await startLookups();
  await probe.configure(lookupSlot(0));
  const { pid, netns } = await lookups.run('lookup', 'delay-1.test', AF_INET);
  const process = { pid, netns, processName: 'lookup', flags: 0, slots: 1n };
  expect(await records.take('delay-1.test')).toMatchObject({ ...process, resultCode: 0, family: AF_INET });
  expect(await lookups.run('lookup', 'known.test')).toMatchObject({ result: 0 });
  expect(await records.take('known.test')).toMatchObject({ ...process, resultCode: 0, family: 0 });
  await lookups.run('lookup', 'nxdomain.test', AF_INET6);
  expect(await records.take('nxdomain.test')).toMatchObject({
    ...process,
    resultCode: EAI_NONAME,
    family: AF_INET6,
  });
  await lookups.run('lookup', 'servfail.test');
  expect(await records.take('servfail.test')).toMatchObject({ ...process, resultCode: EAI_AGAIN });
  expect((await records.take('known.test'))?.cgroupId).toBeGreaterThan(0n);
});

it('measures what the application waited for', async () => {
  const lookups = await startLookups();
  await probe.configure(lookupSlot(0));
  const delayMs = 200;
  const errors: number[] = [];
  for (let i = 0; i < 5; i++) {
    const name = `delay-${delayMs}.n${i}.test`;
    const { latencyNs } = await lookups.run('lookup', name, AF_INET);
    const latencyUs = (await records.take(name))?.latencyUs ?? 0;
    // Between what the resolver let it wait and what the program itself measured, however busy this machine is.
    expect(latencyUs).toBeGreaterThanOrEqual(delayMs * 1000);
    expect(latencyUs).toBeLessThanOrEqual(latencyNs / 1000 + 1);
    errors.push(latencyUs - delayMs * 1000);
  }
  expect(Math.min(...errors)).toBeLessThanOrEqual(Math.max(1000, 0.01 * delayMs * 1000));
});

it('keeps names as applications write them, up to 255 bytes', async () => {
  const lookups = await startLookups();
  await probe.configure(lookupSlot(0));
  const strange = `\x1b[31m\x7f"\\\xff.test`;
  await lookups.run('lookup', strange);
  expect(await records.take(Buffer.from(strange).toString('latin1'))).toBeDefined();
  const longest = 'a'.repeat(255);
  await lookups.run('lookup', longest);
  expect(await records.take(longest)).toMatchObject({ flags: 0 });
  const longer = 'b'.repeat(255);
  await lookups.run('lookup', `${longer}c`);
  expect(await records.take(longer)).toMatchObject({ flags: CUT });
});

it('leaves programs alone whose seccomp filter knows nothing of probes', async () => {
  const lookups = await startLookups();
  await probe.configure(lookupSlot(0));
  expect(await lookups.run('filtered', 'nxdomain.filtered.test')).toMatchObject({ result: 0 });
  expect(await records.take('nxdomain.filtered.test')).toBeDefined();
});

it('passes over calls without a name', async () => {
  const lookups = await startLookups();
  await probe.configure(lookupSlot(0));
  const { pid } = await lookups.run('lookup', '-');
  await lookups.run('lookup', 'known.test');
  await records.take('known.test');
  expect(records.all.filter((record) => record.pid === pid).map(({ name }) => name)).toEqual(['known.test']);
});

describe('the session filter', () => {
  /** Which slots a lookup of the name matched. */
  async function matched(name: string, filters: Parameters<typeof lookupSlot>[1][]): Promise<number[]> {
    const lookups = await startLookups();
    await probe.configure(...filters.map((filter, i) => lookupSlot(i, filter)), lookupSlot(63));
    await lookups.run('lookup', name, AF_INET);
    const slots = (await records.take(name))?.slots ?? 0n;
    return filters.map((_, i) => i).filter((i) => slots & (1n << BigInt(i)));
  }

  it('matches names and suffixes by whole labels, whatever their case and final dot', async () => {
    expect(
      await matched('DELAY-1.Shop.Example.', [
        { queryNames: ['delay-1.shop.example'] },
        { queryNames: ['shop.example'] },
        { queryNameSuffixes: ['shop.example'] },
        { queryNameSuffixes: ['example', 'test'] },
        { queryNameSuffixes: ['delay-1.shop.example'] },
        { queryNameSuffixes: ['op.example'] },
        { queryNames: ['other.example'], queryNameSuffixes: ['shop.example'] },
        { queryNameSuffixes: ['a.delay-1.shop.example'] },
      ]),
    ).toEqual([0, 2, 3, 4, 6]);
  });

  it('matches the names of processes', async () => {
    expect(
      await matched('delay-1.test', [{ processNames: ['lookup'] }, { processNames: ['looku', 'lookups'] }]),
    ).toEqual([0]);
  });

  it('holds fast lookups back, each session by its own threshold', async () => {
    expect(
      await matched('delay-20.test', [{ minLatencyNs: 20_000_000n }, { minLatencyNs: 20_000_000_000n }]),
    ).toEqual([0]);
  });

  it('lets a failed lookup pass whatever the threshold', async () => {
    expect(await matched('nxdomain.test', [{ minLatencyNs: 20_000_000_000n }])).toEqual([0]);
  });

  it('leaves out all that no session asks for', async () => {
    const lookups = await startLookups();
    await probe.configure(lookupSlot(0, { queryNames: ['known.test'] }));
    const { pid } = await lookups.run('lookup', 'delay-1.test');
    await lookups.run('lookup', 'known.test');
    await records.take('known.test');
    expect(records.all.filter((record) => record.pid === pid)).toHaveLength(1);
    const unsampled = lookupSlot(0, { sampleThreshold: 0, queryNames: ['known.test'] });
    await probe.configure(unsampled, lookupSlot(1, { queryNames: ['delay-2.test'] }));
    await lookups.run('lookup', 'known.test');
    await lookups.run('lookup', 'delay-2.test');
    await records.take('delay-2.test');
    expect(records.named('known.test')).toHaveLength(1);
  });
});

describe('a call that does not return', () => {
  const lost = () => probe.stats?.probes.name_lookup.loss.unfinishedAtDetach;

  it('counts one that a signal handler left, and measures the next of that thread from its own start', async () => {
    const lookups = await startLookups();
    await probe.configure(lookupSlot(0));
    await lookups.run('jump', 'delay-1000.test');
    const { latencyNs } = await lookups.run('lookup', 'delay-1.test');
    expect((await records.take('delay-1.test'))?.latencyUs).toBeLessThanOrEqual(latencyNs / 1000 + 1);
    await probe.configure();
    // Others on this machine may be looking up, too.
    expect(lost()).toBeGreaterThanOrEqual(1);
  });

  it('counts one whose thread ended inside it, and one that is under way at the end', async () => {
    const lookups = await startLookups();
    await probe.configure(lookupSlot(0));
    await lookups.run('die', 'delay-1000.test');
    await lookups.run('die', 'delay-1000.test');
    await probe.configure();
    expect(lost()).toBeGreaterThanOrEqual(2);
    expect(records.named('delay-1000.test')).toEqual([]);
  });

  it('counts what a full table cannot take', async () => {
    const small = new ProbeProcess('--lookup-pending-max', '1');
    try {
      await small.configure(lookupSlot(0));
      const both = await Promise.all([startLookups(), startLookups()]);
      await Promise.all(both.map((lookups) => lookups.run('lookup', 'delay-300.test')));
      await small.configure();
      expect(small.stats?.probes.name_lookup.loss.pendingTableFull).toBeGreaterThanOrEqual(1);
    } finally {
      await small.end();
    }
  });

  it('leaves a thread that is cancelled inside it its cleanup handlers', async () => {
    const lookups = await startLookups();
    await probe.configure(lookupSlot(0));
    expect(await lookups.run('cancel', 'delay-1000.test')).toMatchObject({ result: 1 });
  });
});
