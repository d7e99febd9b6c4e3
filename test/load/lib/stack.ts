import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startThrowawayPostgres } from '@synscope/testing';
import { LoadApi } from './load-api.ts';
import { type Replica, startReplica } from './replica.ts';

export interface BenchStack {
  readonly databaseUrl: string;
  readonly grpcTarget: string;
  readonly controlPlane: ChildProcess;
  /** Makes a join token for this many agents. */
  joinToken(maxUses: number): Promise<string>;
  stop(): Promise<void>;
}

/** A control plane as it runs in production, on a Postgres of its own with its default durability. */
export async function startStack(): Promise<BenchStack> {
  const postgres = await startThrowawayPostgres({ durable: true });
  const dataDirectory = await mkdtemp(join(tmpdir(), 'synscope-bench-'));
  let replica: Replica | undefined;
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      replica?.process.kill('SIGTERM');
      await replica?.exited;
      await postgres.remove();
      await rm(dataDirectory, { recursive: true, force: true });
    })();
    return stopped;
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stop().then(() => process.exit(130)));
  try {
    replica = await startReplica(postgres.url, dataDirectory);
    const { url, grpcAddress, process: controlPlane } = replica;
    const api = await LoadApi.of(dataDirectory);
    return {
      databaseUrl: postgres.url,
      grpcTarget: grpcAddress,
      controlPlane,
      stop,
      joinToken: (maxUses) => api.joinToken(url, maxUses),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
