import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Agent, Page } from './answers.ts';
import { Api } from './api.ts';
import { until } from './until.ts';

const root = join(import.meta.dirname, '../..');

export interface StackOptions {
  /** Default: a new one, removed at the end. */
  readonly dataDir?: string;
  readonly httpPort?: number;
  readonly grpcPort?: number;
  /** Arguments behind `npm start --`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `npm start` itself, in a process group of its own as a shell starts it; else the script behind it. */
  readonly throughNpm?: boolean;
}

/** A TCP port that nothing listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Reachable by the user that the embedded Postgres runs as, which mkdtemp's mode would forbid. */
export async function temporaryDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'synscope-stack-'));
  await chmod(dataDir, 0o711);
  return dataDir;
}

/** Synscope as `npm start` starts it, with its own data directory and ports. */
export class Stack implements AsyncDisposable {
  readonly url: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly dataDir: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | NodeJS.Signals | null>;
  readonly #removesDataDir: boolean;
  #output = '';
  #running = true;

  private constructor(
    child: ChildProcess,
    options: Required<Pick<StackOptions, 'dataDir' | 'httpPort' | 'grpcPort'>>,
    temporary: boolean,
  ) {
    this.#child = child;
    this.dataDir = options.dataDir;
    this.httpPort = options.httpPort;
    this.grpcPort = options.grpcPort;
    this.url = `http://127.0.0.1:${options.httpPort}`;
    this.#removesDataDir = temporary;
    const collect = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-200_000);
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    this.#exited = once(child, 'close').then(([code, signal]) => {
      this.#running = false;
      return (signal ?? code) as number | NodeJS.Signals | null;
    });
  }

  /** Starts the process without waiting for anything that it does. */
  static async launch(options: StackOptions = {}): Promise<Stack> {
    const dataDir = options.dataDir ?? (await temporaryDataDir());
    const httpPort = options.httpPort ?? (await freePort());
    const grpcPort = options.grpcPort ?? (await freePort());
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      SYNSCOPE_HTTP_ADDR: `127.0.0.1:${httpPort}`,
      SYNSCOPE_GRPC_ADDR: `127.0.0.1:${grpcPort}`,
      SYNSCOPE_DATA_DIR: dataDir,
      ...options.env,
    };
    delete env['DATABASE_URL'];
    for (const name of ['NODE_OPTIONS', 'NODE_ENV']) delete env[name]; // vitest's
    const command = options.throughNpm
      ? ['npm', 'start', '--']
      : [process.execPath, join(root, 'tools/start.mjs')];
    // A test run that dies takes it along: the kernel then sends SIGTERM, as a user's shell would.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...command, ...(options.args ?? [])], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: options.throughNpm === true,
    });
    return new Stack(child, { dataDir, httpPort, grpcPort }, options.dataDir === undefined);
  }

  /** Resolves once it says that it is ready: the REST API answers and, unless it was left out, the local agent is online. */
  static async start(options: StackOptions = {}): Promise<Stack> {
    const stack = await Stack.launch(options);
    try {
      await stack.untilReady();
      if (!options.args?.includes('--no-agent')) await stack.untilAgentOnline();
      await stack.untilPrinted('Ctrl-C stops it.');
    } catch (error) {
      await stack[Symbol.asyncDispose]();
      throw new Error(`${error instanceof Error ? error.message : error}\n${stack.output}`, { cause: error });
    }
    return stack;
  }

  /** What it has printed so far (the last 200,000 characters). */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves once its output holds the text. */
  async untilPrinted(text: string, timeoutMs = 60_000): Promise<void> {
    const printed = () => {
      if (!this.#running) throw new Error(`it has ended:\n${this.output}`);
      return this.output.includes(text) || undefined;
    };
    await until(`"${text}" in its output`, printed, timeoutMs);
  }

  async untilReady(timeoutMs = 120_000): Promise<void> {
    await until(
      'ready control plane',
      async () => {
        if (!this.#running) throw new Error(`it has ended:\n${this.output}`);
        const response = await fetch(`${this.url}/readyz`).catch(() => undefined);
        return response?.ok || undefined;
      },
      timeoutMs,
    );
  }

  async untilAgentOnline(timeoutMs = 60_000): Promise<Agent> {
    const api = await this.api();
    return await until(
      'online agent',
      async () => {
        if (!this.#running) throw new Error(`it has ended:\n${this.output}`);
        const { items } = await api.get<Page<Agent>>('/api/v1/agents');
        return items.find(({ status }) => status === 'online');
      },
      timeoutMs,
    );
  }

  /** The REST API with the administrator's token from the data directory. */
  async api(): Promise<Api> {
    return new Api(this.url, (await readFile(join(this.dataDir, 'admin-token'), 'utf8')).trim());
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** What Ctrl-C in a terminal does: SIGINT to each process of the foreground group. Only with `throughNpm`. */
  interruptGroup(): void {
    process.kill(-this.pid, 'SIGINT');
  }

  /** Resolves with the exit status, or the signal that ended it. */
  async exited(timeoutMs = 30_000): Promise<number | NodeJS.Signals | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`still running after ${timeoutMs} ms\n${this.#output}`)),
        timeoutMs,
      );
    });
    try {
      return await Promise.race([this.#exited, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running) {
      this.signal('SIGTERM');
      await this.exited().catch(() => this.signal('SIGKILL'));
      await this.#exited;
    }
    if (this.#removesDataDir) await rm(this.dataDir, { recursive: true, force: true });
  }
}
