import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { type NetnsCounters, netnsCounters, parseNetstat } from './netns-counters.js';

const READ_INTERVAL_MS = 1_000;
/** A namespace of which no record comes any more is forgotten; longer than quiet listeners are silent. */
const FORGET_AFTER_MS = 90_000;
/** Namespaces that are watched at once; the counters of others are not known. */
const NAMESPACES_MAX = 256;

/** Ends of intervals are about a second apart; those of one that come in two frames, each with the clocks' distance of its own, are not. */
const SAME_INTERVAL_US = 500_000;

interface Reading {
  /** The process that they were read of, with the time when it began: another one may get its number. */
  readonly process: string;
  /** Whether it was seen to be in the namespace, and not believed to be. */
  readonly proven: boolean;
  readonly counters: NetnsCounters;
}

interface Namespace {
  /** Through which it is read; 0 = none is known. */
  pid: number;
  wantedAtMs: number;
  last: Reading | undefined;
  /** What they rose by since they were last handed out. */
  risen: NetnsCounters | undefined;
  /** The interval whose records are under way, and what all of them are told. */
  observedAtUs: number;
  handedOut: NetnsCounters | undefined;
}

/**
 * Reads the TcpExt counters of the network namespaces that records are of, once a second, through a process there. Records never wait for it: they get
 * what was read last, and each rise is told once per namespace and interval.
 */
export class NetnsCounterReader {
  private readonly namespaces = new Map<number, Namespace>();
  private reading = false;

  constructor(
    private readonly clock: Clock,
    private readonly procRoot: string = '/proc',
  ) {}

  readonly risen = (netns: number, pid: number, observedAtUs: number): NetnsCounters | undefined => {
    const namespace = this.namespaces.get(netns) ?? this.watch(netns);
    if (namespace === undefined) return undefined;
    namespace.wantedAtMs = this.clock.monotonicMs();
    // One that can be read is kept, lest a base be lost with each record of another process.
    if (namespace.pid === 0) namespace.pid = pid;
    if (!(Math.abs(observedAtUs - namespace.observedAtUs) < SAME_INTERVAL_US)) {
      namespace.observedAtUs = observedAtUs;
      namespace.handedOut = namespace.risen;
      namespace.risen = undefined;
    }
    if (!this.reading) this.readAll();
    return namespace.handedOut;
  };

  private watch(netns: number): Namespace | undefined {
    if (this.namespaces.size >= NAMESPACES_MAX) return undefined;
    const namespace: Namespace = {
      pid: 0,
      wantedAtMs: 0,
      last: undefined,
      risen: undefined,
      observedAtUs: Number.NaN,
      handedOut: undefined,
    };
    this.namespaces.set(netns, namespace);
    return namespace;
  }

  /** Reads each namespace, then again after a while, as long as there are any. */
  private readAll(): void {
    this.reading = true;
    const forgetBeforeMs = this.clock.monotonicMs() - FORGET_AFTER_MS;
    for (const [netns, { wantedAtMs }] of this.namespaces) {
      if (wantedAtMs < forgetBeforeMs) this.namespaces.delete(netns);
    }
    const reads = [...this.namespaces].map(([netns, namespace]) => this.read(netns, namespace));
    void Promise.all(reads).then(() => {
      this.clock.after(READ_INTERVAL_MS, () => {
        if (this.namespaces.size === 0) this.reading = false;
        else this.readAll();
      });
    });
  }

  private async read(netns: number, namespace: Namespace): Promise<void> {
    const { pid, last } = namespace;
    if (pid === 0) return;
    const now = await this.readingOf(netns, pid);
    namespace.last = now;
    if (now === undefined) namespace.pid = 0;
    if (now === undefined || last === undefined || !areComparable(last, now)) return;
    const { risen } = namespace;
    const more = netnsCounters((name) => now.counters[name] - last.counters[name]);
    if (Object.values(more).some((rise) => rise < 0)) return;
    namespace.risen = risen === undefined ? more : netnsCounters((name) => risen[name] + more[name]);
  }

  private async readingOf(netns: number, pid: number): Promise<Reading | undefined> {
    const folder = join(this.procRoot, String(pid));
    try {
      const [status, netstat, inode] = await Promise.all([
        readFile(join(folder, 'stat'), 'utf8'),
        readFile(join(folder, 'net', 'netstat'), 'utf8'),
        this.namespaceOf(folder),
      ]);
      const counters = parseNetstat(netstat);
      // The process may have gone to another namespace with its socket; where that may not be seen, it is believed to have stayed.
      if (counters === undefined || (inode !== undefined && inode !== netns)) return undefined;
      return { process: `${pid}:${startTime(status)}`, proven: inode !== undefined, counters };
    } catch {
      return undefined;
    }
  }

  /** Undefined where this user may not know it. */
  private async namespaceOf(folder: string): Promise<number | undefined> {
    try {
      return (await stat(join(folder, 'ns', 'net'))).ino;
    } catch {
      return undefined;
    }
  }
}

function areComparable(a: Reading, b: Reading): boolean {
  return a.process === b.process || (a.proven && b.proven);
}

/** The 22nd field of /proc/PID/stat; the second, the name, may hold blanks and parentheses (proc_pid_stat(5)). */
function startTime(status: string): string {
  return status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
