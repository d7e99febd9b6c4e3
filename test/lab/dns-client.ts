import { flags } from './flags.ts';
import { JsonProcess } from './json-process.ts';
import type { SocketAddress } from './relay.ts';
import { dnsClientFile } from './tools.ts';

/** One query that was sent. Times are CLOCK_MONOTONIC in microseconds. */
export interface AskedQuery {
  readonly event: 'asked';
  /** Of the question. */
  readonly index: number;
  /** From 1. */
  readonly attempt: number;
  readonly id: number;
  readonly name: string;
  readonly type: number;
  /** The address is all zeros on an unconnected socket. */
  readonly local: SocketAddress;
  /** The system call that sent it, or its last segment, was about to be made. */
  readonly sentUs: number;
}

export interface ReceivedMessage {
  readonly event: 'received';
  /** Of the question that it answers; -1: of none. */
  readonly index: number;
  readonly id: number;
  readonly rcode: number;
  readonly truncated: boolean;
  readonly answers: number;
  readonly from: SocketAddress;
  /** The system call that brought it has returned. */
  readonly receivedUs: number;
}

export interface ClosedSocket {
  readonly event: 'closed';
  readonly local: SocketAddress;
  /** close() was about to be called. */
  readonly closedUs: number;
}

type DnsClientEvent = AskedQuery | ReceivedMessage | ClosedSocket | { readonly event: 'done' };

export interface DnsClientOptions {
  readonly address: string;
  /** Default 53. */
  readonly port?: number;
  /** "www.example.test/AAAA"; all of them are asked at once, from one socket. */
  readonly questions: readonly string[];
  /** connect() first, as glibc and Go do; default: sendto() from an unconnected socket, as musl does. */
  readonly connected?: boolean;
  /** Over one TCP connection. */
  readonly tcp?: boolean;
  /** Each message in three segments (TCP). */
  readonly split?: boolean;
  /** How often each question is asked. Default 1. */
  readonly attempts?: number;
  /** How long each attempt waits. Default 5000. */
  readonly timeoutMs?: number;
  /** A retry comes from a socket of its own; the old one is closed. */
  readonly newSocket?: boolean;
  /** A question is asked once the one before is answered or given up. */
  readonly sequential?: boolean;
  /** The socket stays open until disposal. */
  readonly hold?: boolean;
  readonly sourcePort?: number;
  /** Of all questions; default: each has its own. */
  readonly id?: number;
  /** Process name, at most 15 bytes. */
  readonly name?: string;
  /** Times that are exact on a busy machine, too; needs root. */
  readonly realTime?: boolean;
}

/** A stub resolver whose every step can be chosen; see dns-client.c. */
export class DnsClient implements AsyncDisposable {
  readonly #process: JsonProcess<DnsClientEvent>;

  private constructor(process: JsonProcess<DnsClientEvent>) {
    this.#process = process;
  }

  static async start(namespacePath: string | undefined, options: DnsClientOptions): Promise<DnsClient> {
    const { address, port = 53, questions, timeoutMs, newSocket, sourcePort, realTime, ...others } = options;
    const args = flags({
      netns: namespacePath,
      'timeout-ms': timeoutMs,
      'new-socket': newSocket,
      'source-port': sourcePort,
      'real-time': realTime,
      ...others,
    });
    return new DnsClient(
      await JsonProcess.start(dnsClientFile, [...args, address, String(port), ...questions]),
    );
  }

  get pid(): number {
    return this.#process.pid;
  }

  get asked(): readonly AskedQuery[] {
    return this.#process.events.filter((event) => event.event === 'asked');
  }

  get received(): readonly ReceivedMessage[] {
    return this.#process.events.filter((event) => event.event === 'received');
  }

  get closed(): readonly ClosedSocket[] {
    return this.#process.events.filter((event) => event.event === 'closed');
  }

  /** Resolves once every question was answered or given up. */
  async done(timeoutMs?: number): Promise<void> {
    await this.#process.until(
      () => this.#process.events.some(({ event }) => event === 'done'),
      'end of its questions',
      timeoutMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
