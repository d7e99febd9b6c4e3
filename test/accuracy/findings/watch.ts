import { BlockList, isIPv4 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Finding, Page } from '../../stack/answers.js';
import type { Api } from '../../stack/api.js';

/** How often the findings are asked for; all who wait share the answer. */
const pauseMs = 500;

const family = (address: string) => (isIPv4(address) ? 'ipv4' : 'ipv6');

/** All findings, asked for again and again. */
export class FindingsWatch implements AsyncDisposable {
  readonly #api: Api;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #findings: readonly Finding[] = [];
  #answered = Promise.withResolvers<void>();
  #error: unknown;

  constructor(api: Api) {
    this.#api = api;
    this.#running = this.#run();
  }

  /** Of a lab: about listening sockets and resolvers in it, the way to them, what they answer. */
  of(network: string): readonly Finding[] {
    const [prefix = '', length] = network.split('/');
    const list = new BlockList();
    list.addSubnet(prefix, Number(length), family(prefix));
    return this.#findings.filter(
      ({ subject: { address } }) => address !== null && list.check(address, family(address)),
    );
  }

  get all(): readonly Finding[] {
    return this.#findings;
  }

  /** Resolves with what it is asked for, or with undefined when the time is over. */
  async until<Value>(ask: () => Value | undefined, timeoutMs: number): Promise<Value | undefined> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const value = ask();
      if (value !== undefined || Date.now() > deadline) return value;
      await this.#answered.promise;
      if (this.#error) throw this.#error;
    }
  }

  /** Those that there are now. */
  async refresh(): Promise<void> {
    const findings: Finding[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: Page<Finding> = await this.#api.get(`/api/v1/findings?limit=1000${more}`);
      findings.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    this.#findings = findings;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.refresh().catch((error: unknown) => {
        this.#error = error;
      });
      const { resolve } = this.#answered;
      this.#answered = Promise.withResolvers<void>();
      resolve();
      await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#answered.resolve();
  }
}
