import { execFile } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { FrameType, parseDiagnostic } from '@synscope/probe-wire';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  LesserProbeProcess,
  LookupProcess,
  LookupRecords,
  lookupProgram,
  lookupSlot,
  muslLookupProgram,
} from './lookup-process.js';
import { ProbeProcess } from './probe-process.js';
import { SilentFileSystem } from './silent-file-system.js';

const run = promisify(execFile);

/** include/uapi/…/netdb.h, the same in glibc and musl. */
const EAI_NONAME = -2;
const EAI_AGAIN = -3;
const AF_INET = 2;
const AF_INET6 = 10;
/** NameLookupFlag. */
const CUT = 1;
/** A scan every 10 s, what it takes, and the second until its result is fetched. */
const NEXT_SCAN_MS = 14_000;

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

async function startLookups(root?: string): Promise<LookupProcess> {
  const started = await LookupProcess.start(root);
  processes.push(started);
  return started;
}

/** Libraries that the probe is attached to: each has two links (proc_pid_fdinfo(5)). */
async function attachedLibraries(): Promise<number> {
  const folder = `/proc/${probe.process.pid}/fdinfo`;
  const infos = await Promise.all((await readdir(folder)).map((fd) => readFile(join(folder, fd), 'utf8')));
  return infos.filter((info) => info.includes('link_type:')).length / 2;
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
  expect(await attachedLibraries()).toBe(0);
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

describe('a container', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'synscope-container-'));
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** A root folder with the program, its C library and nothing else. */
  async function makeRoot(name: string, program: string, libraries: Record<string, string>): Promise<string> {
    const root = join(folder, name);
    await mkdir(join(root, 'etc'), { recursive: true });
    for (const [inside, outside] of Object.entries({ '/lookup': program, ...libraries })) {
      await mkdir(dirname(join(root, inside)), { recursive: true });
      await copyFile(outside, join(root, inside));
      await chmod(join(root, inside), 0o755);
    }
    return root;
  }

  /** With glibc: the libraries at the places where the program expects them. */
  async function makeGlibcRoot(name: string): Promise<string> {
    const { stdout } = await run('ldd', [lookupProgram]);
    const paths = [...stdout.matchAll(/(\/\S+)/g)].map(([path]) => path);
    return makeRoot(name, lookupProgram, Object.fromEntries(paths.map((path) => [path, path])));
  }

  /** Looks names up until one is seen. */
  async function seen(lookups: LookupProcess, label: string): Promise<boolean> {
    const deadline = Date.now() + NEXT_SCAN_MS;
    for (let i = 0; Date.now() < deadline; i++) {
      const name = `nxdomain.${label}-${i}.test`;
      await lookups.run('lookup', name, AF_INET);
      if (await records.take(name, 500)) return true;
    }
    return false;
  }

  it('with musl is seen', async () => {
    const program = await muslLookupProgram();
    const { stdout } = await run('readelf', ['-l', program]);
    const loader = /interpreter: (\S+)\]/.exec(stdout)?.[1] ?? '';
    const lookups = await startLookups(await makeRoot('musl', program, { [loader]: loader }));
    await probe.configure(lookupSlot(0));
    const { latencyNs } = await lookups.run('lookup', 'delay-20.test', AF_INET);
    const record = await records.take('delay-20.test');
    expect(record).toMatchObject({ resultCode: 0, family: AF_INET, processName: 'lookup' });
    expect(record?.latencyUs).toBeGreaterThanOrEqual(20_000);
    expect(record?.latencyUs).toBeLessThanOrEqual(latencyNs / 1000 + 1);
  });

  it('that starts later is seen soon, and let go when it ends', async () => {
    const root = await makeGlibcRoot('later');
    await probe.configure(lookupSlot(0));
    const before = await attachedLibraries();
    const lookups = await startLookups(root);
    expect(await seen(lookups, 'later')).toBe(true);
    expect(await attachedLibraries()).toBe(before + 1);
    await lookups.end();
    await expect.poll(attachedLibraries, { timeout: NEXT_SCAN_MS, interval: 200 }).toBe(before);
  }, 40_000);

  it('whose library was replaced or deleted since is seen', async () => {
    const root = await makeGlibcRoot('deleted');
    const { stdout } = await run('find', [root, '-name', 'libc.so.6']);
    const library = stdout.trim();
    const replaced = await startLookups(root);
    await copyFile(library, `${library}.new`);
    await rename(`${library}.new`, library);
    const deleted = await startLookups(root);
    await unlink(library);
    await probe.configure(lookupSlot(0));
    await replaced.run('lookup', 'nxdomain.replaced.test');
    await deleted.run('lookup', 'nxdomain.deleted.test');
    expect(await records.take('nxdomain.replaced.test')).toBeDefined();
    expect(await records.take('nxdomain.deleted.test')).toBeDefined();
  });

  it('that shares its image with another is attached to once', async () => {
    const image = await makeGlibcRoot('image');
    const roots = await Promise.all(
      ['a', 'b'].map(async (name) => {
        const [upper, work, merged] = ['upper', 'work', 'merged'].map((part) =>
          join(folder, 'overlay', name, part),
        );
        for (const path of [upper, work, merged]) await mkdir(path ?? '', { recursive: true });
        const options = `lowerdir=${image},upperdir=${upper},workdir=${work}`;
        await run('mount', ['-t', 'overlay', `overlay-${name}`, '-o', options, merged ?? '']);
        return merged ?? '';
      }),
    );
    try {
      await probe.configure(lookupSlot(0));
      const others = await attachedLibraries();
      await probe.configure();
      const lookups = await Promise.all(roots.map((root) => startLookups(root)));
      await probe.configure(lookupSlot(0));
      expect(await attachedLibraries()).toBe(others + 1);
      await Promise.all(lookups.map((each, i) => each.run('lookup', `nxdomain.overlay-${i}.test`)));
      expect(await records.take('nxdomain.overlay-0.test')).toBeDefined();
      expect(await records.take('nxdomain.overlay-1.test')).toBeDefined();
      await Promise.all(lookups.map((each) => each.end()));
      await probe.configure();
    } finally {
      for (const root of roots) await run('umount', [root]);
    }
  });

  /** Copies of a library, each damaged so that nothing can be found in it. */
  function damaged(library: Buffer): Buffer[] {
    const sections = Number(library.readBigUInt64LE(40)); // e_shoff
    // The first section of type SHT_DYNSYM; a section header is 64 bytes long.
    let symbols = sections;
    while (library.readUInt32LE(symbols + 4) !== 11) symbols += 64;
    // e_ident, e_type and e_machine, e_phoff, e_shoff, e_phentsize, e_phnum and e_shentsize, e_shnum; then sh_offset, sh_size and sh_link.
    const words = [4, 16, 32, 40, 52, 56, 60, symbols + 24, symbols + 32, symbols + 40];
    const cut = [1, 4, 63, 64, 4096, library.length - 1].map((length) => library.subarray(0, length));
    const changed = words.flatMap((at) =>
      [0, 1, 0x7fffffff, 0xffffffff].map((value) => {
        const copy = Buffer.from(library);
        copy.writeUInt32LE(value, at);
        return copy;
      }),
    );
    return [...cut, ...changed];
  }

  it('with files that are no libraries in spite of their names is passed over', async () => {
    const libc = (await run('ldd', [lookupProgram])).stdout.match(/(\/\S*libc\.so\.6)/)?.[1] ?? '';
    const lookups = await startLookups();
    await probe.configure(lookupSlot(0));
    const sound = await attachedLibraries();
    await probe.configure();
    for (const [i, bytes] of damaged(await readFile(libc)).entries()) {
      const path = join(folder, `libc.so.${i}`);
      await writeFile(path, bytes);
      expect(await lookups.run('map', path)).toMatchObject({ result: 0 });
      await unlink(path);
    }
    const said: string[] = [];
    probe.changes.on('frame', (type: number, payload: Buffer) => {
      if (type === FrameType.diagnostic) said.push(parseDiagnostic(payload).code);
    });
    await probe.configure(lookupSlot(0));
    expect(await attachedLibraries()).toBe(sound);
    await lookups.run('lookup', 'nxdomain.odd.test');
    expect(await records.take('nxdomain.odd.test')).toBeDefined();
    expect(said).toEqual([]);
  });

  it('whose file system does not answer holds up neither the probe nor the other containers', async () => {
    const silent = await SilentFileSystem.mount(join(folder, 'silent'));
    try {
      const holder = await startLookups();
      expect(await holder.run('map', join(silent.path, 'libc.so.6'))).toMatchObject({ result: 0 });
      silent.fallSilent();
      const stuck = new Promise<void>((resolve) => {
        probe.changes.on('frame', (type: number, payload: Buffer) => {
          if (type === FrameType.diagnostic && parseDiagnostic(payload).code === 'library_scan_stuck')
            resolve();
        });
      });
      expect(await probe.configure(lookupSlot(0))).toMatchObject({ attached: true });
      await stuck;
      const lookups = await startLookups(await makeGlibcRoot('beside'));
      expect(await seen(lookups, 'beside')).toBe(true);
    } finally {
      await silent.unmount();
    }
  }, 40_000);
});
