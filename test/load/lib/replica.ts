import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const CONTROL_PLANE = fileURLToPath(
  new URL('../../../apps/control-plane/dist/main.js', import.meta.url),
);

/** A control plane in a process of its own, as it runs in production. */
export interface Replica {
  readonly process: ChildProcess;
  /** `http://HOST:PORT`. */
  readonly url: string;
  /** `HOST:PORT`. */
  readonly grpcAddress: string;
  readonly exited: Promise<unknown>;
}

/** One of any number on a database. The first of them writes the admin token into its data directory. */
export async function startReplica(databaseUrl: string, dataDirectory: string): Promise<Replica> {
  const { NODE_OPTIONS: _, NODE_ENV: __, ...environment } = process.env; // vitest's
  const child = fork(CONTROL_PLANE, [], {
    env: {
      ...environment,
      DATABASE_URL: databaseUrl,
      SYNSCOPE_DATA_DIR: dataDirectory,
      SYNSCOPE_HTTP_ADDR: '127.0.0.1:0',
      SYNSCOPE_GRPC_ADDR: '127.0.0.1:0',
      SYNSCOPE_LOG_LEVEL: 'warn',
    },
    execArgv: [],
    // What it has to say about a failed start goes to stderr.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const { httpAddress, grpcAddress } = await new Promise<{ httpAddress: string; grpcAddress: string }>(
    (resolve, reject) => {
      child.once('message', (message) => resolve(message as { httpAddress: string; grpcAddress: string }));
      child.once('exit', (code) => reject(new Error(`the control plane ended with ${code}`)));
    },
  );
  return { process: child, url: `http://${httpAddress}`, grpcAddress, exited };
}

/** What a process has used so far, and holds now. */
export interface ProcessCost {
  readonly cpuSeconds: number;
  /** VmRSS, in megabytes of 2^20 bytes as ps and top show them. */
  readonly residentMb: number;
}

export function costOf(pid: number | undefined): ProcessCost {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // proc_pid_stat(5): utime and stime are fields 14 and 15, in ticks of 1/100 s on every Linux that Node runs on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    residentMb: Number(/^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024,
  };
}
