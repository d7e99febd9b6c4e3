import { existsSync } from 'node:fs';
import { Capture } from './capture.js';
import { Client, type ClientOptions, Server, type ServerOptions } from './endpoint.js';
import { Relay, type Side } from './relay.js';
import { buildLabTools, runInNamespace } from './tools.js';

export type Family = 'ipv4' | 'ipv6';

export interface LabOptions {
  /** Chooses the lab's networks, 0–511, so that what several labs do can be told apart. Default: differs within a process. */
  readonly number?: number;
  /** One-way delay of both directions, microseconds. Default 0. */
  readonly delayUs?: number;
}

let created = 0;

/** Why no lab can be made here; undefined if one can. */
export function labUnavailable(): string | undefined {
  if (process.getuid?.() !== 0)
    return 'the network lab needs root: it makes network namespaces and TUN devices';
  if (!existsSync('/dev/net/tun')) return 'the network lab needs TUN devices: there is no /dev/net/tun';
  return undefined;
}

/**
 * Two network namespaces without a name, each with one address of each family on the device `wire`, and a relay between them that
 * injects delay and loss. Needs root. All of it disappears with the relay, which ends with this process at the latest.
 */
export class Lab implements AsyncDisposable {
  readonly relay: Relay;
  readonly number: number;
  readonly #resources = new AsyncDisposableStack();

  private constructor(relay: Relay, number: number) {
    this.relay = this.#resources.use(relay);
    this.number = number;
  }

  static async create(options: LabOptions = {}): Promise<Lab> {
    const unavailable = labUnavailable();
    if (unavailable) throw new Error(unavailable);
    await buildLabTools();
    const number = options.number ?? (process.pid * 8 + created++) % 512;
    const lab = new Lab(await Relay.start(), number);
    try {
      await Promise.all([lab.#configure('a'), lab.#configure('b')]);
      await lab.relay.delay('a', options.delayUs ?? 0);
      await lab.relay.delay('b', options.delayUs ?? 0);
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
    return lab;
  }

  /** The networks of both sides: from the ranges for benchmarks (RFC 2544, RFC 5180), which no real host uses. */
  network(family: Family): string {
    return family === 'ipv4'
      ? `198.${18 + (this.number >> 8)}.${this.number & 255}.0/24`
      : `2001:2:0:${this.number.toString(16)}::/64`;
  }

  address(side: Side, family: Family): string {
    const host = side === 'a' ? 1 : 2;
    return this.network(family).replace(family === 'ipv4' ? '0/24' : /\/64$/, String(host));
  }

  /** Runs a command inside one side's namespace. */
  async run(side: Side, file: string, ...args: string[]): Promise<string> {
    return await runInNamespace(this.relay.namespace(side).path, file, ...args);
  }

  /** Sets one of the kernel settings that each network namespace has for itself. */
  async setting(side: Side, name: string, value: string | number): Promise<void> {
    await this.run(side, 'sysctl', '-qw', `${name}=${value}`);
  }

  /** Ends with the lab, or when disposed of. */
  async client(side: Side, options: ClientOptions): Promise<Client> {
    return this.#resources.use(
      await Client.start(this.relay.namespace(side).path, { realTime: true, ...options }),
    );
  }

  /** Ends with the lab, or when disposed of. */
  async server(
    side: Side,
    options: Omit<ServerOptions, 'address'> & { readonly family: Family },
  ): Promise<Server> {
    const address = this.address(side, options.family);
    return this.#resources.use(
      await Server.start(this.relay.namespace(side).path, { realTime: true, ...options, address }),
    );
  }

  /** Captures one side's TCP packets from now on. */
  async capture(side: Side): Promise<Capture> {
    return this.#resources.use(await Capture.start(this.relay.namespace(side).path));
  }

  async #configure(side: Side): Promise<void> {
    // No router solicitations, no generated addresses: the only packets on the wire are those of the test.
    await this.setting(side, 'net.ipv6.conf.wire.addr_gen_mode', 1);
    // Nothing learnt from one connection changes the next.
    await this.setting(side, 'net.ipv4.tcp_no_metrics_save', 1);
    for (const device of ['lo', 'wire']) await this.run(side, 'ip', 'link', 'set', device, 'up');
    await this.run(side, 'ip', 'address', 'add', `${this.address(side, 'ipv4')}/24`, 'dev', 'wire');
    await this.run(side, 'ip', 'address', 'add', `${this.address(side, 'ipv6')}/64`, 'dev', 'wire', 'nodad');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
