import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  encodeConfigure,
  FrameSplitter,
  FrameType,
  HandshakeCursor,
  MATCH_ALL,
  type ProbeConfigured,
  type ProbeHello,
  type ProbeStats,
  parseConfigured,
  parseHello,
  parseStats,
  type SlotSpec,
  UNKNOWN_U16,
  UNKNOWN_U32,
} from '@synscope/probe-wire';

const built = (name: string) => fileURLToPath(new URL(`../.build/${name}`, import.meta.url));

/** How long a test waits for what the kernel owes it, ms: above the longest SYN-ACK timeout of the scenarios and the sweep behind it. */
const PATIENCE_MS = 15_000;

/** Every handshake. */
export const everything: SlotSpec = { ...MATCH_ALL, slot: 0, probes: ['tcp_handshake'] };

export interface HandshakeRecord {
  readonly role: 'client' | 'server';
  readonly outcome: string;
  /** −1 where the wire says "not measured", here and below. */
  readonly latencyUs: number;
  readonly acceptWaitUs: number;
  readonly srttUs: number;
  readonly synRetransmits: number;
  readonly synAckRetransmits: number;
  readonly clientIsn: number;
  readonly serverIsn: number;
  readonly local: string;
  readonly remote: string;
  readonly localPort: number;
  readonly remotePort: number;
  readonly netns: number;
  readonly pid: number;
  readonly processName: string;
  readonly flags: number;
  readonly slots: bigint;
  readonly revision: number;
}

const OUTCOMES = ['', 'established', 'refused', 'timed_out', 'unreachable', 'aborted', 'reset'];

const known = (value: number, unknown: number) => (value === unknown ? -1 : value);

/** The records of one FRAME_HANDSHAKES. */
export function readRecords(payload: Buffer): HandshakeRecord[] {
  const records: HandshakeRecord[] = [];
  const cursor = new HandshakeCursor();
  cursor.reset(payload);
  while (cursor.next()) {
    const name = payload.subarray(cursor.processNamePosition, cursor.processNamePosition + 16);
    records.push({
      role: cursor.role === 1 ? 'client' : 'server',
      outcome: OUTCOMES[cursor.outcome] ?? `outcome ${cursor.outcome}`,
      latencyUs: cursor.latencyUs,
      acceptWaitUs: cursor.acceptWaitUs,
      srttUs: known(cursor.srttUs, UNKNOWN_U32),
      synRetransmits: known(cursor.synRetransmits, UNKNOWN_U16),
      synAckRetransmits: known(cursor.synAckRetransmits, UNKNOWN_U16),
      clientIsn: cursor.clientIsn,
      serverIsn: cursor.serverIsn,
      local: address(payload, cursor.localAddressPosition),
      remote: address(payload, cursor.remoteAddressPosition),
      localPort: cursor.localPort,
      remotePort: cursor.remotePort,
      netns: cursor.netns,
      pid: cursor.pid,
      processName: name.toString('latin1').replace(/\0.*$/s, ''),
      flags: cursor.flags,
      slots: (BigInt(cursor.slotsHigh) << 32n) | BigInt(cursor.slotsLow),
      revision: cursor.revision,
    });
  }
  return records;
}

/** The real probe, driven over its real wire. */
export class ProbeProcess {
  readonly records: HandshakeRecord[] = [];
  readonly process: ChildProcess;
  stats: ProbeStats | undefined;
  /** "frame" with type and payload of each, and then "change". */
  readonly changes = new EventEmitter();
  private configured: ((answer: ProbeConfigured) => void) | undefined;
  private revision = 0;
  readonly hello: Promise<ProbeHello>;

  constructor(...options: string[]) {
    this.process = spawn(...this.command(built('synscope-probe'), options), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const hello = Promise.withResolvers<ProbeHello>();
    this.hello = hello.promise;
    const splitter = new FrameSplitter((type, payload) => {
      if (type === FrameType.hello) hello.resolve(parseHello(payload));
      else this.receive(type, payload);
    });
    this.process.stdout?.on('data', (chunk: Buffer) => splitter.push(chunk));
  }

  protected command(probe: string, options: readonly string[]): [string, readonly string[]] {
    return [probe, options];
  }

  private receive(type: number, payload: Buffer): void {
    if (type === FrameType.handshakes) this.records.push(...readRecords(payload));
    else if (type === FrameType.stats) this.stats = parseStats(payload);
    else if (type === FrameType.configured) this.configured?.(parseConfigured(payload));
    this.changes.emit('frame', type, payload);
    this.changes.emit('change');
  }

  async configure(...slots: SlotSpec[]): Promise<ProbeConfigured> {
    return this.answerTo(encodeConfigure(++this.revision, slots));
  }

  /** The probe's answer to a FRAME_CONFIGURE, however wrong. */
  async answerTo(frame: Buffer): Promise<ProbeConfigured> {
    const answer = Promise.withResolvers<ProbeConfigured>();
    this.configured = answer.resolve;
    this.process.stdin?.write(frame);
    return answer.promise;
  }

  /** The first `count` records that satisfy the predicate, as soon as there are so many. */
  async take(count: number, wanted: (record: HandshakeRecord) => boolean): Promise<HandshakeRecord[]> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const found = this.records.filter(wanted);
      if (found.length >= count) return found;
      await once(this.changes, 'change', { signal: deadline }).catch(() => {
        throw new Error(`${found.length} of ${count} records came: ${JSON.stringify(found, replaceBigInt)}`);
      });
    }
  }

  async end(): Promise<number | null> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return this.process.exitCode;
    const closed = once(this.process, 'close');
    this.process.stdin?.end();
    await closed;
    return this.process.exitCode;
  }
}

const replaceBigInt = (_key: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);

export function address(payload: Buffer, at: number): string {
  const bytes = payload.subarray(at, at + 16);
  if (bytes.readUInt32BE(8) === 0xffff && bytes.readBigUInt64BE(0) === 0n) {
    return bytes.subarray(12).join('.');
  }
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return groups.join(':').replace(/^(0:){7}0?/, '::');
}

/** What bpf/test/traffic.c prints. */
export interface Traffic {
  readonly netns: number;
  readonly listenPort: number;
  readonly pid: number;
  readonly connectNs: number;
  readonly doneNs: number;
  readonly error: number;
  readonly initialWindow: number;
}

export async function traffic(scenario: string): Promise<Traffic> {
  const { stdout } = await promisify(execFile)(built('traffic'), [scenario], { timeout: PATIENCE_MS });
  return JSON.parse(stdout) as Traffic;
}

/**
 * Whether a record is of that traffic's handshakes. The namespace alone does not tell: its inode is free again when the traffic ends, and
 * others on this machine make namespaces as well. A record without an accepting process has pid 0.
 */
export const isOf =
  (...truths: Traffic[]) =>
  (record: HandshakeRecord): boolean =>
    truths.some(
      ({ netns, pid, listenPort }) =>
        record.netns === netns &&
        (record.pid === pid || record.pid === 0) &&
        [record.localPort, record.remotePort].some((port) => port === listenPort || port === listenPort + 1),
    );

/** Says SYN_SENT on stderr, if the scenario has a moment for it. */
export function spawnTraffic(scenario: string): ChildProcess {
  return spawn(built('traffic'), [scenario], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Where cgroup v2 is mounted. */
export async function cgroupMount(): Promise<string> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  const line = mounts.split('\n').find((mount) => mount.includes(' - cgroup2 '));
  if (line === undefined) throw new Error('cgroup v2 is not mounted');
  return line.split(' ')[4] ?? '';
}
