import { flags } from './flags.ts';
import { JsonProcess } from './json-process.ts';
import type { SocketAddress } from './relay.ts';
import { dnsServerFile } from './tools.ts';

/** One query as the server took it. Times are CLOCK_MONOTONIC in microseconds. */
export interface ReceivedQuery {
  readonly event: 'query';
  readonly transport: 'udp' | 'tcp';
  readonly client: SocketAddress;
  readonly id: number;
  /** Presentation form without the final dot. */
  readonly name: string;
  readonly type: number;
  /** The system call that brought it has returned. */
  readonly receivedUs: number;
}

export interface SentAnswer extends Omit<ReceivedQuery, 'event'> {
  readonly event: 'answer';
  /** The system call that sent it, or its last segment, was about to be made. */
  readonly sentUs: number;
  /** Bytes of the message. */
  readonly length: number;
}

interface Listening {
  readonly event: 'listening';
  readonly local: SocketAddress;
}

export interface DnsServerOptions {
  readonly addresses: readonly string[];
  /** Default 53; 0 = any free one. */
  readonly port?: number;
  /** Other addresses that the host has, one of a family, from which `elsewhere` is answered. */
  readonly elsewhere?: readonly string[];
  /** SO_RCVBUF of the UDP sockets, bytes. */
  readonly receiveBuffer?: number;
  /** Process name, at most 15 bytes. */
  readonly name?: string;
  /** Times that are exact on a busy machine, too; needs root. */
  readonly realTime?: boolean;
}

/** A DNS server that answers each name as the name itself says; see dns-behaviour.h. */
export class DnsServer implements AsyncDisposable {
  readonly #process: JsonProcess<Listening | ReceivedQuery | SentAnswer>;

  private constructor(process: JsonProcess<Listening | ReceivedQuery | SentAnswer>) {
    this.#process = process;
  }

  static async start(namespacePath: string | undefined, options: DnsServerOptions): Promise<DnsServer> {
    const args = flags({
      netns: namespacePath,
      port: options.port,
      'receive-buffer': options.receiveBuffer,
      name: options.name,
      'real-time': options.realTime,
    });
    const elsewhere = (options.elsewhere ?? []).flatMap((address) => ['--elsewhere', address]);
    const server = new DnsServer(
      await JsonProcess.start(dnsServerFile, [...args, ...elsewhere, ...options.addresses]),
    );
    try {
      const { length } = options.addresses;
      await server.#process.until(() => server.#listening.length === length, 'bound sockets');
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get #listening(): readonly Listening[] {
    return this.#process.events.filter((event) => event.event === 'listening');
  }

  /** The first one's. */
  get address(): SocketAddress {
    const [listening] = this.#listening;
    if (!listening) throw new Error('the server does not listen yet');
    return listening.local;
  }

  get queries(): readonly ReceivedQuery[] {
    return this.#process.events.filter((event) => event.event === 'query');
  }

  get answers(): readonly SentAnswer[] {
    return this.#process.events.filter((event) => event.event === 'answer');
  }

  async untilQueries(count: number, timeoutMs?: number): Promise<readonly ReceivedQuery[]> {
    await this.#process.until(() => this.queries.length >= count, `${count} queries`, timeoutMs);
    return this.queries;
  }

  async untilAnswers(count: number, timeoutMs?: number): Promise<readonly SentAnswer[]> {
    await this.#process.until(() => this.answers.length >= count, `${count} answers`, timeoutMs);
    return this.answers;
  }

  /** Reads nothing any more, so that what comes fills its receive queue. */
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
