import { flags } from './flags.ts';
import { JsonProcess } from './json-process.ts';
import type { SocketAddress } from './relay.ts';
import { dnsReflectorFile } from './tools.ts';

interface Listening {
  readonly event: 'listening';
  readonly local: SocketAddress;
}

interface Taken {
  readonly event: 'taken';
  readonly count: number;
}

/** Makes every query its own answer, for load; see dns-reflector.c. */
export class DnsReflector implements AsyncDisposable {
  readonly #process: JsonProcess<Listening | Taken>;

  private constructor(process: JsonProcess<Listening | Taken>) {
    this.#process = process;
  }

  static async start(
    namespacePath: string | undefined,
    options: {
      readonly address: string;
      readonly port?: number;
      readonly name?: string;
      /** It takes every query and answers none. */
      readonly silent?: boolean;
    },
  ): Promise<DnsReflector> {
    const { address, port = 53, name, silent } = options;
    const args = [...flags({ netns: namespacePath, name, silent }), address, String(port)];
    const reflector = new DnsReflector(await JsonProcess.start(dnsReflectorFile, args));
    try {
      await reflector.#process.until(() => reflector.#process.events.length > 0, 'bound socket');
    } catch (error) {
      await reflector[Symbol.asyncDispose]();
      throw error;
    }
    return reflector;
  }

  get address(): SocketAddress {
    const [listening] = this.#process.events;
    if (listening?.event !== 'listening') throw new Error('the reflector does not listen yet');
    return listening.local;
  }

  /** Ends it and says how many queries it took. */
  async stop(): Promise<number> {
    await this.#process[Symbol.asyncDispose]();
    const last = this.#process.events.at(-1);
    if (last?.event !== 'taken') throw new Error('the reflector ended without a count');
    return last.count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
