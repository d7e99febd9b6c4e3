import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { canReach } from './account.js';
import { type RunningPostgres, startPostgres } from './start-postgres.js';

const isRoot = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };
const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

let base: string;
let dataDir: string;
const servers: RunningPostgres[] = [];
const supervisors: ChildProcess[] = [];

// Other processes run the built package.
beforeAll(() => {
  execFileSync(process.execPath, [
    fileURLToPath(import.meta.resolve('typescript/lib/tsc.js')),
    '-b',
    packageDirectory,
  ]);
});

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'synscope-embedded-'));
  chmodSync(base, 0o755);
  dataDir = join(base, 'postgres');
});

afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) supervisor.kill('SIGKILL');
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  rmSync(base, { recursive: true, force: true });
});

async function start({ durable = false } = {}): Promise<RunningPostgres> {
  const server = await startPostgres({ dataDir, durable });
  servers.push(server);
  return server;
}

/** False for a zombie too, which has no working directory any more. */
const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}/cwd`);

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Starts Postgres from another process and gives its first line: the server as JSON, or the error's message. */
async function startElsewhere(account: object = {}): Promise<{ supervisor: ChildProcess; line: string }> {
  const script = `
    import { startPostgres } from ${JSON.stringify(join(packageDirectory, 'dist/index.js'))};
    try {
      const { url, pid } = await startPostgres({ dataDir: ${JSON.stringify(dataDir)} });
      console.log(JSON.stringify({ url, pid }));
    } catch (error) {
      console.log(error.message);
    }`;
  const supervisor = spawn(process.execPath, ['--input-type=module', '-e', script], {
    ...account,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  supervisors.push(supervisor);
  const [line] = (await once(createInterface(supervisor.stdout), 'line')) as [string];
  return { supervisor, line };
}

describe('startPostgres', () => {
  it('makes a database at the first start and finds it again at the next', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await first.stop();
    await first.stop();
    const second = await start();
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  });

  it('finds its data after its supervisor was killed with -9 and left the server running', async () => {
    const { supervisor, line } = await startElsewhere();
    const abandoned = JSON.parse(line) as { url: string; pid: number };
    await query(abandoned.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    supervisor.kill('SIGKILL');
    await once(supervisor, 'exit');
    expect(isRunning(abandoned.pid)).toBe(true);

    const next = await start();
    expect(isRunning(abandoned.pid)).toBe(false);
    expect(await query(next.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  });

  it('recovers after the server itself was killed with -9, and tells that it ended', async () => {
    const first = await start({ durable: true });
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    const second = await start();
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  });

  it('asks for the password also on loopback', async () => {
    const { url } = await start();
    const wrong = new URL(url);
    wrong.password = 'guess';
    await expect(query(wrong.toString(), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect(statSync(join(dataDir, 'password')).mode & 0o777).toBe(0o600);
  });

  it('leaves nothing of an interrupted first start, and the next one works', async () => {
    const controller = new AbortController();
    const interrupted = startPostgres({ dataDir, durable: false, signal: controller.signal });
    await expect.poll(() => existsSync(join(dataDir, 'cluster.new')), { interval: 1 }).toBe(true);
    controller.abort(new Error('Ctrl-C'));
    await expect(interrupted).rejects.toThrow('Ctrl-C');
    expect(readdirSync(dataDir)).not.toContain('cluster.new');
    expect(await query((await start()).url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });
});

describe('the account that Postgres runs as', () => {
  it.runIf(isRoot)('is not root when we are', async () => {
    const { pid } = await start();
    expect(statSync(`/proc/${pid}`).uid).not.toBe(0);
  });

  it.runIf(isRoot)('stays the owner of a cluster that an ordinary user made', async () => {
    mkdirSync(dataDir);
    execFileSync('chown', ['65534:65534', dataDir]);
    const { supervisor, line } = await startElsewhere(nobody);
    expect(line).toContain('postgres://');
    supervisor.kill('SIGKILL');
    await once(supervisor, 'exit');
    expect(statSync(`/proc/${(await start()).pid}`).uid).toBe(nobody.uid);
  });

  it.runIf(isRoot)(
    'gets its files below /var/lib/synscope when it cannot walk to the data directory',
    async () => {
      chmodSync(base, 0o700);
      const server = await start();
      const files = realpathSync(join(dataDir, 'cluster'));
      try {
        expect(files).toMatch(/^\/var\/lib\/synscope\/cluster-/);
        expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
        await server.stop();
        await start();
      } finally {
        await Promise.all(servers.splice(0).map((each) => each.stop()));
        rmSync(files, { recursive: true });
      }
    },
  );
});

describe('a data directory that cannot be used', () => {
  it('is refused while another process runs Postgres in it', async () => {
    const { supervisor } = await startElsewhere();
    await expect(start()).rejects.toThrow(`is in use by process ${supervisor.pid}`);
  });

  it.runIf(isRoot && canReach(nobody, process.execPath))(
    'is refused without permission, naming user and directory',
    async () => {
      mkdirSync(dataDir, { mode: 0o755 });
      const { line } = await startElsewhere(nobody);
      expect(line).toBe(
        `The data directory ${dataDir} cannot be written by user id 65534. Give that user the directory, or choose another one.`,
      );
    },
  );

  it('is refused when it is the cluster of another Postgres', async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'PG_VERSION'), '16\n');
    await expect(start()).rejects.toThrow('is the cluster of another Postgres');
  });

  it('is refused when it holds other files', async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'holiday.jpg'), '');
    await expect(start()).rejects.toThrow('holds files that are not ours ("holiday.jpg")');
  });

  it('is refused when another major version wrote it', async () => {
    await (await start()).stop();
    writeFileSync(join(dataDir, 'cluster', 'PG_VERSION'), '17\n');
    await expect(start()).rejects.toThrow('was written by Postgres 17, and this is Postgres 18');
  });

  it('is refused when it is a file', async () => {
    writeFileSync(dataDir, '');
    await expect(start()).rejects.toThrow('is a file');
  });

  it.runIf(isRoot)('is refused when the disk is full', async () => {
    mkdirSync(dataDir);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0711', 'synscope-test', dataDir]);
    try {
      await expect(start()).rejects.toThrow(/The disk that holds .* is full/);
    } finally {
      execFileSync('umount', [dataDir]);
    }
  });
});
