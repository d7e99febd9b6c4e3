import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { FrameType, parseDiagnostic } from '@synscope/probe-wire';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  attachedLibraries,
  LookupProcess,
  LookupRecords,
  lookupProgram,
  lookupSlot,
  muslLookupProgram,
} from './lookup-process.js';
import { ProbeProcess } from './probe-process.js';
import { SilentFileSystem } from './silent-file-system.js';

const run = promisify(execFile);

const AF_INET = 2;
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

it('a container with musl is seen', async () => {
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

it('a container that starts later is seen soon, and let go when it ends', async () => {
  const root = await makeGlibcRoot('later');
  await probe.configure(lookupSlot(0));
  const before = await attachedLibraries(probe);
  const lookups = await startLookups(root);
  expect(await seen(lookups, 'later')).toBe(true);
  expect(await attachedLibraries(probe)).toBe(before + 1);
  await lookups.end();
  await expect.poll(() => attachedLibraries(probe), { timeout: NEXT_SCAN_MS, interval: 200 }).toBe(before);
}, 40_000);

it('a container whose library was replaced or deleted since is seen', async () => {
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

it('a container that shares its image with another is attached to once', async () => {
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
    const others = await attachedLibraries(probe);
    await probe.configure();
    const lookups = await Promise.all(roots.map((root) => startLookups(root)));
    await probe.configure(lookupSlot(0));
    expect(await attachedLibraries(probe)).toBe(others + 1);
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

it('a container with files that are no libraries in spite of their names is passed over', async () => {
  const libc = (await run('ldd', [lookupProgram])).stdout.match(/(\/\S*libc\.so\.6)/)?.[1] ?? '';
  const lookups = await startLookups();
  await probe.configure(lookupSlot(0));
  const sound = await attachedLibraries(probe);
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
  expect(await attachedLibraries(probe)).toBe(sound);
  await lookups.run('lookup', 'nxdomain.odd.test');
  expect(await records.take('nxdomain.odd.test')).toBeDefined();
  expect(said).toEqual([]);
});

it('a container whose file system does not answer holds up neither the probe nor the other containers', async () => {
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
