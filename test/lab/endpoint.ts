import { flags } from './flags.ts';
import { JsonProcess } from './json-process.ts';
import type { SocketAddress } from './relay.ts';
import { endpointFile } from './tools.ts';

/** One connect() as the client saw it. Times are CLOCK_MONOTONIC in microseconds. */
export interface Connect {
  readonly event: 'connect';
  readonly index: number;
  readonly startedUs: number;
  /** connect() returned, or the application stopped waiting. */
  readonly endedUs: number;
  /** 0 = still open. */
  readonly closedUs: number;
  /** Name of the errno, for example "ECONNREFUSED"; empty if connected or given up. */
  readonly error: string;
  readonly gaveUp: boolean;
  /** The address is all zeros after a failure: the kernel has taken it back. */
  readonly local: SocketAddress;
}

/** One accept() as the server saw it. */
export interface Accept {
  readonly event: 'accept';
  /** The listening socket became readable. */
  readonly noticedUs: number;
  /** accept() was called. */
  readonly calledUs: number;
  /** accept() returned. */
  readonly acceptedUs: number;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

interface Listening {
  readonly event: 'listening';
  readonly local: SocketAddress;
}

export interface ClientOptions {
  readonly address: string;
  readonly port: number;
  /** Connections, each from a thread of its own. Default 1. */
  readonly count?: number;
  /** Microseconds between their starts. Default 0. */
  readonly intervalUs?: number;
  /** Non-blocking connect, closed if unanswered after so many milliseconds. */
  readonly giveUpMs?: number;
  /** Close each connection as soon as it is established. */
  readonly closeAtOnce?: boolean;
  /** Process name, at most 15 bytes. */
  readonly name?: string;
  /** Times that are exact on a busy machine, too; needs root. */
  readonly realTime?: boolean;
}

export interface ServerOptions {
  readonly address: string;
  /** Default: any free one. */
  readonly port?: number;
  readonly backlog?: number;
  /** Milliseconds that every accept() waits while a connection is there. */
  readonly acceptDelayMs?: number;
  readonly name?: string;
  /** Times that are exact on a busy machine, too; needs root. */
  readonly realTime?: boolean;
}

export class Client implements AsyncDisposable {
  readonly #process: JsonProcess<Connect>;

  private constructor(process: JsonProcess<Connect>) {
    this.#process = process;
  }

  static async start(namespacePath: string | undefined, options: ClientOptions): Promise<Client> {
    const { address, port, count, intervalUs, giveUpMs, closeAtOnce, name } = options;
    const args = flags({
      netns: namespacePath,
      count,
      'interval-us': intervalUs,
      'give-up-ms': giveUpMs,
      name,
      close: closeAtOnce,
      'real-time': options.realTime,
    });
    return new Client(
      await JsonProcess.start<Connect>(endpointFile, ['client', ...args, address, String(port)]),
    );
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves once so many connect() calls have ended, in whatever way; the connections stay open until disposal. */
  async connects(count: number, timeoutMs?: number): Promise<readonly Connect[]> {
    await this.#process.until(
      () => this.#process.events.length >= count,
      `${count} ended connects`,
      timeoutMs,
    );
    return this.#process.events.slice(0, count);
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

export class Server implements AsyncDisposable {
  readonly #process: JsonProcess<Listening | Accept>;

  private constructor(process: JsonProcess<Listening | Accept>) {
    this.#process = process;
  }

  static async start(namespacePath: string | undefined, options: ServerOptions): Promise<Server> {
    const { address, port = 0, backlog, acceptDelayMs, name } = options;
    const args = flags({
      netns: namespacePath,
      backlog,
      'accept-delay-ms': acceptDelayMs,
      name,
      'real-time': options.realTime,
    });
    const server = new Server(
      await JsonProcess.start<Listening | Accept>(endpointFile, ['server', ...args, address, String(port)]),
    );
    try {
      await server.#process.until(() => server.#process.events.length > 0, 'listening socket');
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get address(): SocketAddress {
    const listening = this.#process.events[0];
    if (listening?.event !== 'listening') throw new Error('the server does not listen yet');
    return listening.local;
  }

  get accepted(): readonly Accept[] {
    return this.#process.events.filter((event) => event.event === 'accept');
  }

  /** Resolves once so many connections were accepted. */
  async accepts(count: number, timeoutMs?: number): Promise<readonly Accept[]> {
    await this.#process.until(
      () => this.accepted.length >= count,
      `${count} accepted connections`,
      timeoutMs,
    );
    return this.accepted;
  }

  /** Accepts nothing any more, so that what comes fills its accept queue. */
  suspend(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
