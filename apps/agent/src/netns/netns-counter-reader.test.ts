import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../testing/manual-clock.js';
import { NetnsCounterReader } from './netns-counter-reader.js';
import { NETNS_COUNTERS, netnsCounters, parseNetstat } from './netns-counters.js';

const netstat = (value: number) =>
  `TcpExt: SyncookiesSent ${NETNS_COUNTERS.filter((name) => name !== 'SyncookiesSent').join(' ')} Other\n` +
  `TcpExt: ${NETNS_COUNTERS.map(() => value).join(' ')} 7\nIpExt: InNoRoutes\nIpExt: 5\n`;

describe('parseNetstat', () => {
  it('reads this kernel’s counters', async () => {
    const counters = parseNetstat(await readFile('/proc/self/net/netstat', 'utf8'));
    expect(Object.keys(counters ?? {})).toEqual([...NETNS_COUNTERS]);
  });

  it.each(['', 'TcpExt: ListenDrops\n', 'TcpExt: ListenDrops\nTcpExt: 4\n', netstat(Number.NaN)])(
    'knows nothing of %j',
    (text) => {
      expect(parseNetstat(text)).toBeUndefined();
    },
  );
});

describe('NetnsCounterReader', () => {
  let proc: string;
  let clock: ManualClock;
  let reader: NetnsCounterReader;
  beforeEach(() => {
    proc = mkdtempSync(join(tmpdir(), 'synscope-proc-'));
    clock = new ManualClock();
    reader = new NetnsCounterReader(clock, proc);
  });
  afterEach(() => rmSync(proc, { recursive: true, force: true }));

  /** As /proc shows a process; the inode of its network namespace, if that may be seen. */
  function show(pid: number, counters: number, beganAt = 1, withNamespace = false): number {
    const folder = join(proc, String(pid));
    mkdirSync(join(folder, 'net'), { recursive: true });
    writeFileSync(join(folder, 'stat'), `${pid} (a) b) S ${'0 '.repeat(18)}${beganAt} 0 0\n`);
    writeFileSync(join(folder, 'net', 'netstat'), netstat(counters));
    if (!withNamespace) return 0;
    mkdirSync(join(folder, 'ns', 'net'), { recursive: true });
    return statSync(join(folder, 'ns', 'net')).ino;
  }

  /** The reads that are under way end, and the next ones are due. */
  async function nextRead(): Promise<void> {
    while (clock.timers === 0) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
    while (clock.timers === 0) await new Promise((resolve) => setImmediate(resolve));
  }

  const all = (value: number) => netnsCounters(() => value);
  /** The end of an interval, microseconds. */
  const end = (interval: number) => interval * 1_000_000;

  it('tells all records of an interval the same rise, and the next interval only what is new', async () => {
    show(5, 100);
    expect(reader.risen(1, 5, end(1))).toBeUndefined();
    await nextRead();
    show(5, 103);
    await nextRead();
    show(5, 104);
    await nextRead();
    expect(reader.risen(1, 5, end(2))).toEqual(all(4));
    expect(reader.risen(1, 5, end(2) + 1)).toEqual(all(4));
    expect(reader.risen(1, 5, end(3))).toBeUndefined();
    await nextRead();
    expect(reader.risen(1, 5, end(4))).toEqual(all(0));
  });

  it('keeps to one process of a namespace while it can be read, then takes another', async () => {
    show(5, 100);
    show(6, 900);
    reader.risen(1, 5, end(1));
    await nextRead();
    reader.risen(1, 6, end(2));
    show(5, 101);
    await nextRead();
    expect(reader.risen(1, 6, end(3))).toEqual(all(1));
    rmSync(join(proc, '5'), { recursive: true });
    await nextRead();
    expect(reader.risen(1, 6, end(4))).toBeUndefined();
    await nextRead();
    show(6, 902);
    await nextRead();
    expect(reader.risen(1, 6, end(5))).toEqual(all(2));
  });

  it('goes on from one process to the next where both are seen to be in the namespace', async () => {
    const netns = show(5, 100, 1, true);
    reader.risen(netns, 5, end(1));
    await nextRead();
    show(5, 107, 2);
    await nextRead();
    expect(reader.risen(netns, 5, end(2))).toEqual(all(7));
  });

  it('believes neither another process with the same number, nor one that has left the namespace', async () => {
    show(5, 100);
    const elsewhere = show(7, 100, 1, true);
    reader.risen(1, 5, end(1));
    reader.risen(elsewhere + 1, 7, end(1));
    await nextRead();
    reader.risen(1, 5, end(2));
    show(5, 200, 2);
    show(7, 200, 1, true);
    await nextRead();
    expect(reader.risen(1, 5, end(3))).toBeUndefined();
    expect(reader.risen(elsewhere + 1, 7, end(3))).toBeUndefined();
  });

  it('knows nothing where no process is known, or /proc shows nothing', async () => {
    reader.risen(1, 0, end(1));
    reader.risen(2, 99, end(1));
    await nextRead();
    await nextRead();
    expect([reader.risen(1, 0, end(2)), reader.risen(2, 99, end(2))]).toEqual([undefined, undefined]);
  });

  it('watches 256 namespaces at once, and ends to read when no records come any more', async () => {
    show(5, 100);
    for (let netns = 1; netns <= 257; netns++) reader.risen(netns, 5, end(1));
    await nextRead();
    show(5, 101);
    await nextRead();
    expect([reader.risen(256, 5, end(2)), reader.risen(257, 5, end(2))]).toEqual([all(1), undefined]);
    while (clock.timers === 0) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(91_000);
    await nextRead();
    clock.advance(1_000);
    expect(clock.timers).toBe(0);
  });
});
