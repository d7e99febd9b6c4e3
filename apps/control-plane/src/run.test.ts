import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '@synscope/testing';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProcessSurroundings, run } from './run.js';

type Ready = Parameters<NonNullable<ProcessSurroundings['onReady']>>[0];

interface Run {
  readonly exitCode: Promise<number>;
  readonly ready: Promise<Ready>;
  readonly errors: string[];
  readonly log: Record<string, unknown>[];
  readonly stop: (signal: string) => void;
}

describe('the process', () => {
  let database: TestDatabase;
  let folder: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'synscope-run-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await database.drop();
  });

  function start(environment: Record<string, string> = {}): Run {
    const errors: string[] = [];
    const log: Record<string, unknown>[] = [];
    let stop: Run['stop'] = () => undefined;
    let onReady: (ready: Ready) => void = () => undefined;
    const ready = new Promise<Ready>((resolve) => {
      onReady = resolve;
    });
    const exitCode = run({
      environment: {
        DATABASE_URL: database.url,
        SYNSCOPE_DATA_DIR: folder,
        SYNSCOPE_HTTP_ADDR: '127.0.0.1:0',
        SYNSCOPE_GRPC_ADDR: '127.0.0.1:0',
        ...environment,
      },
      stopRequested: new Promise((resolve) => {
        stop = resolve;
      }),
      writeError: (text) => errors.push(text),
      onReady,
      logger: pino(
        { level: environment['SYNSCOPE_LOG_LEVEL'] ?? 'info' },
        { write: (line: string) => log.push(JSON.parse(line)) },
      ),
    });
    return { exitCode, ready, errors, log, stop: (signal) => stop(signal) };
  }

  it('says once, on whatever log level, that it is ready and where it listens, and ends with 0 when asked to', async () => {
    const control = start({ SYNSCOPE_LOG_LEVEL: 'error' });
    const { httpAddress } = await control.ready;
    expect(httpAddress).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    expect((await fetch(`http://${httpAddress}/readyz`)).status).toBe(200);
    control.stop('SIGTERM');
    expect(await control.exitCode).toBe(0);
    expect(control.errors).toEqual([]);
    expect(control.log.filter(({ event }) => event === 'ready')).toEqual([
      expect.objectContaining({ event: 'ready', httpAddress }),
    ]);
    await expect(fetch(`http://${httpAddress}/healthz`)).rejects.toThrow();
  });

  it('finishes a request that is under way when it is asked to end', async () => {
    const control = start();
    const { httpAddress } = await control.ready;
    const body = JSON.stringify({ name: 'x' });
    let sent: (() => void) | undefined;
    const rest = new Promise<void>((resolve) => {
      sent = resolve;
    });
    const request = fetch(`http://${httpAddress}/api/v1/api-tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      duplex: 'half',
      body: ReadableStream.from(
        (async function* () {
          yield new TextEncoder().encode(body.slice(0, 5));
          control.stop('SIGINT');
          await rest;
          yield new TextEncoder().encode(body.slice(5));
        })(),
      ),
    } as RequestInit);
    setImmediate(() => sent?.());
    expect([400, 401, 503]).toContain((await request).status);
    expect(await control.exitCode).toBe(0);
  });

  it('names the variable and the likely cause when the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const control = start({ SYNSCOPE_HTTP_ADDR: `127.0.0.1:${port}` });
    expect(await control.exitCode).toBe(1);
    other.close();
    expect(control.errors).toEqual([
      expect.stringMatching(
        new RegExp(
          `^synscope-control-plane: SYNSCOPE_HTTP_ADDR=127\\.0\\.0\\.1:${port}: the port is taken, most likely by another Synscope`,
        ),
      ),
    ]);
    expect(control.log.filter(({ level }) => Number(level) >= 40)).toEqual([]);
  });

  it('names SYNSCOPE_DATA_DIR when the folder cannot be made', async () => {
    const path = join(folder, 'a-file');
    await writeFile(path, '');
    const control = start({ SYNSCOPE_DATA_DIR: join(path, 'data') });
    expect(await control.exitCode).toBe(1);
    expect(control.errors.join()).toContain(
      `SYNSCOPE_DATA_DIR=${join(path, 'data')}: the folder cannot be made or written to (ENOTDIR`,
    );
  });

  it('names it as well, and at once, where the file system takes no folders', async () => {
    const control = start({ SYNSCOPE_DATA_DIR: '/proc/synscope/data' });
    expect(await control.exitCode).toBe(1);
    expect(control.errors.join()).toContain(
      'SYNSCOPE_DATA_DIR=/proc/synscope/data: the folder cannot be made or written to (ENOENT',
    );
  });

  it('waits for a database for as long as it is told to, then says which, without its password', async () => {
    const control = start({
      DATABASE_URL: 'postgres://synscope:hunter2@127.0.0.1:1/synscope',
      SYNSCOPE_DATABASE_WAIT: '1s',
    });
    expect(await control.exitCode).toBe(1);
    expect(control.errors.join()).toMatch(
      /^synscope-control-plane: DATABASE_URL: the database at 127\.0\.0\.1:1\/synscope cannot be reached \(connect ECONNREFUSED .*tried for 1 s\)/,
    );
    expect(control.errors.join() + JSON.stringify(control.log)).not.toContain('hunter2');
  });

  it('ends at once when it is asked to while it waits for the database', async () => {
    const control = start({
      DATABASE_URL: 'postgres://synscope@127.0.0.1:1/synscope',
      SYNSCOPE_DATABASE_WAIT: '3s',
    });
    control.stop('SIGINT');
    expect(await control.exitCode).toBe(0);
    expect(control.log.map(({ msg }) => msg)).toContain('stopping on SIGINT, before the start was complete');
  });

  it('does not wait for a database that refuses the password', async () => {
    const url = new URL(database.url);
    url.password = 'wrong';
    const control = start({ DATABASE_URL: url.toString() });
    expect(await control.exitCode).toBe(1);
    expect(control.errors.join()).toMatch(
      /refused the connection \(password authentication failed.*Check user, password and database name/,
    );
  });

  it('names every wrong variable', async () => {
    const control = start({ SYNSCOPE_HTTP_ADDR: 'here', SYNSCOPE_DATABASE_POOL_SIZE: '0' });
    expect(await control.exitCode).toBe(1);
    expect(control.errors.join()).toMatch(
      /SYNSCOPE_HTTP_ADDR="here": expected HOST:PORT[\s\S]*SYNSCOPE_DATABASE_POOL_SIZE="0": expected an integer from 2 to 200/,
    );
  });

  it('runs beside another on one database', async () => {
    const second = await mkdtemp(join(tmpdir(), 'synscope-run-'));
    const controls = [start(), start({ SYNSCOPE_DATA_DIR: second })];
    const addresses = await Promise.all(controls.map(({ ready }) => ready));
    for (const { httpAddress } of addresses)
      expect((await fetch(`http://${httpAddress}/readyz`)).status).toBe(200);
    for (const { stop } of controls) stop('SIGTERM');
    expect(await Promise.all(controls.map(({ exitCode }) => exitCode))).toEqual([0, 0]);
    await rm(second, { recursive: true });
  });
});
