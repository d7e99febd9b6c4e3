import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FrameType, MATCH_ALL, NameLookupCursor, type SlotFilter, type SlotSpec } from '@synscope/probe-wire';
import { ProbeProcess } from './probe-process.js';

export const lookupProgram = fileURLToPath(new URL('../.build/lookup', import.meta.url));

/** The same program with musl; made on demand, since nothing else needs musl. */
export async function muslLookupProgram(): Promise<string> {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  await promisify(execFile)('make', ['-s', '-C', folder, '.build/lookup-musl']);
  return `${lookupProgram}-musl`;
}

/** A probe that has to do without CAP_SYS_PTRACE. */
export class LesserProbeProcess extends ProbeProcess {
  protected override command(probe: string, options: readonly string[]): [string, readonly string[]] {
    return ['setpriv', ['--bounding-set', '-sys_ptrace', probe, ...options]];
  }
}

export const lookupSlot = (slot: number, filter: Partial<SlotFilter> = {}): SlotSpec => ({
  ...MATCH_ALL,
  slot,
  probes: ['name_lookup'],
  ...filter,
});

export interface NameLookupRecord {
  readonly name: string;
  readonly resultCode: number;
  readonly latencyUs: number;
  readonly family: number;
  readonly flags: number;
  readonly netns: number;
  readonly pid: number;
  readonly processName: string;
  readonly slots: bigint;
  readonly cgroupId: bigint;
}

export function readLookups(payload: Buffer): NameLookupRecord[] {
  const records: NameLookupRecord[] = [];
  const cursor = new NameLookupCursor();
  cursor.reset(payload);
  while (cursor.next()) {
    const processName = payload.subarray(cursor.processNamePosition, cursor.processNamePosition + 16);
    records.push({
      name: payload.toString('latin1', cursor.namePosition, cursor.namePosition + cursor.nameLength),
      resultCode: cursor.resultCode,
      latencyUs: cursor.latencyUs,
      family: cursor.family,
      flags: cursor.flags,
      netns: cursor.netns,
      pid: cursor.pid,
      processName: processName.toString('latin1').replace(/\0.*$/s, ''),
      slots: (BigInt(cursor.slotsHigh) << 32n) | BigInt(cursor.slotsLow),
      cgroupId: (BigInt(cursor.cgroupIdHigh) << 32n) | BigInt(cursor.cgroupIdLow),
    });
  }
  return records;
}

/** The lookups that a probe reports. */
export class LookupRecords {
  readonly all: NameLookupRecord[] = [];

  constructor(private readonly probe: ProbeProcess) {
    probe.changes.on('frame', (type: number, payload: Buffer) => {
      if (type === FrameType.nameLookups) this.all.push(...readLookups(payload));
    });
  }

  named(name: string): NameLookupRecord[] {
    return this.all.filter((record) => record.name === name);
  }

  /** The first record with that name, as soon as there is one; undefined if none comes in time. */
  async take(name: string, patienceMs = 15_000): Promise<NameLookupRecord | undefined> {
    const deadline = AbortSignal.timeout(patienceMs);
    for (;;) {
      const [found] = this.named(name);
      if (found || deadline.aborted) return found;
      await once(this.probe.changes, 'change', { signal: deadline }).catch(() => undefined);
    }
  }
}

/** Libraries that a probe is attached to: each has two links (proc_pid_fdinfo(5)). */
export async function attachedLibraries(probe: ProbeProcess): Promise<number> {
  const folder = `/proc/${probe.process.pid}/fdinfo`;
  const infos = await Promise.all((await readdir(folder)).map((fd) => readFile(join(folder, fd), 'utf8')));
  return infos.filter((info) => info.includes('link_type:')).length / 2;
}

/** What bpf/test/lookup.c prints for each command. */
export interface LookupAnswer {
  readonly result: number;
  readonly latencyNs: number;
  readonly pid: number;
  readonly netns: number;
}

/** bpf/test/lookup.c, in the root folder if one is given: there the program is /lookup. */
export class LookupProcess {
  private readonly process: ChildProcess;
  private readonly answers: AsyncIterator<string>;

  private constructor(root?: string) {
    const [command, ...rest] = root ? ['unshare', '--mount', `--root=${root}`, '/lookup'] : [lookupProgram];
    this.process = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.answers = createInterface({ input: this.process.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]();
  }

  static async start(root?: string): Promise<LookupProcess> {
    const started = new LookupProcess(root);
    await started.answer();
    return started;
  }

  private async answer(): Promise<LookupAnswer> {
    const { value, done } = await this.answers.next();
    if (done) throw new Error('the lookup program has ended');
    return JSON.parse(value) as LookupAnswer;
  }

  async run(
    command: 'lookup' | 'jump' | 'cancel' | 'die' | 'filtered' | 'map',
    name: string,
    family = 0,
  ): Promise<LookupAnswer> {
    this.process.stdin?.write(`${command} ${name} ${family}\n`);
    return this.answer();
  }

  async end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const closed = once(this.process, 'close');
    this.process.stdin?.end();
    await closed;
  }
}
