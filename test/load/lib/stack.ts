import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startThrowawayPostgres } from '@synscope/testing';

export interface BenchStack {
  readonly databaseUrl: string;
  readonly grpcTarget: string;
  readonly controlPlane: ChildProcess;
  /** Makes a join token for this many agents. */
  joinToken(maxUses: number): Promise<string>;
  stop(): Promise<void>;
}

const CONTROL_PLANE = fileURLToPath(new URL('../../../apps/control-plane/dist/main.js', import.meta.url));

/** A control plane as it runs in production, on a Postgres of its own with its default durability. */
export async function startStack(): Promise<BenchStack> {
  const postgres = await startThrowawayPostgres({ durable: true });
  const dataDirectory = await mkdtemp(join(tmpdir(), 'synscope-bench-'));
  const controlPlane = fork(CONTROL_PLANE, [], {
    env: {
      ...process.env,
      DATABASE_URL: postgres.url,
      SYNSCOPE_DATA_DIR: dataDirectory,
      SYNSCOPE_HTTP_ADDR: '127.0.0.1:0',
      SYNSCOPE_GRPC_ADDR: '127.0.0.1:0',
      SYNSCOPE_LOG_LEVEL: 'warn',
    },
    // What it has to say about a failed start goes to stderr.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = new Promise<void>((resolve) => controlPlane.once('exit', () => resolve()));
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      controlPlane.kill('SIGTERM');
      await exited;
      await postgres.remove();
      await rm(dataDirectory, { recursive: true, force: true });
    })();
    return stopped;
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stop().then(() => process.exit(130)));
  try {
    const ready = await new Promise<{ httpAddress: string; grpcAddress: string }>((resolve, reject) => {
      controlPlane.once('message', (message) =>
        resolve(message as { httpAddress: string; grpcAddress: string }),
      );
      controlPlane.once('exit', (code) => reject(new Error(`the control plane ended with ${code}`)));
    });
    const adminToken = (await readFile(join(dataDirectory, 'admin-token'), 'utf8')).trim();
    return {
      databaseUrl: postgres.url,
      grpcTarget: ready.grpcAddress,
      controlPlane,
      stop,
      joinToken: async (maxUses) => {
        const response = await fetch(`http://${ready.httpAddress}/api/v1/join-tokens`, {
          method: 'POST',
          headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
          body: JSON.stringify({ name: 'bench', maxUses }),
        });
        if (!response.ok) throw new Error(`no join token: ${await response.text()}`);
        return ((await response.json()) as { token: string }).token;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
