import { existsSync } from 'node:fs';
import { Capture } from './capture.ts';
import { DnsClient, type DnsClientOptions } from './dns-client.ts';
import { DnsServer, type DnsServerOptions } from './dns-server.ts';
import { Dnsmasq } from './dnsmasq.ts';
import { Client, type ClientOptions, Server, type ServerOptions } from './endpoint.ts';
import { kernelCounters, type ListeningSocket, listeningSockets } from './kernel-account.ts';
import { Relay, type Side, type SocketAddress } from './relay.ts';
import { buildLabTools, runInNamespace, synFloodFile } from './tools.ts';

export type Family = 'ipv4' | 'ipv6';

export interface LabOptions {
  /** Chooses the lab's networks, 0–511, so that what several labs do can be told apart. Default: differs within a process. */
  readonly number?: number;
  /** One-way delay of both directions, microseconds. Default 0. */
  readonly delayUs?: number;
}

const families: readonly Family[] = ['ipv4', 'ipv6'];
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
    return this.#host(family, side === 'a' ? 1 : 2);
  }

  /** From which the DNS server of a side answers what is to be answered from elsewhere. */
  elsewhereAddress(side: Side, family: Family): string {
    return this.#host(family, side === 'a' ? 3 : 4);
  }

  #host(family: Family, number: number): string {
    return this.network(family).replace(family === 'ipv4' ? '0/24' : /\/64$/, String(number));
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

  /** At the side's addresses of both families. Ends with the lab, or when disposed of. */
  async dnsServer(
    side: Side,
    options: Omit<DnsServerOptions, 'addresses' | 'elsewhere'> & {
      /** Default: those of the side on the wire. */
      readonly addresses?: readonly string[];
    } = {},
  ): Promise<DnsServer> {
    const elsewhere = families.map((family) => this.elsewhereAddress(side, family));
    for (const address of elsewhere) await this.#addAddress(side, address, 'preferred_lft', '0');
    return this.#resources.use(
      await DnsServer.start(this.relay.namespace(side).path, {
        realTime: true,
        addresses: families.map((family) => this.address(side, family)),
        elsewhere,
        ...options,
      }),
    );
  }

  /** Ends with the lab, or when disposed of. */
  async dnsClient(side: Side, options: DnsClientOptions): Promise<DnsClient> {
    return this.#resources.use(
      await DnsClient.start(this.relay.namespace(side).path, { realTime: true, ...options }),
    );
  }

  /** dnsmasq at the side's address of a family, asking a server on the side's loopback. Ends with the lab, or when disposed of. */
  async dnsmasq(side: Side, family: Family, upstream: string, port?: number): Promise<Dnsmasq> {
    const address = this.address(side, family);
    return this.#resources.use(
      await Dnsmasq.start(this.relay.namespace(side).path, { address, port, upstream }),
    );
  }

  /** SYNs to an address of side b from as many addresses that nobody has, at most 100: each stays half open. */
  async floodSyns(destination: SocketAddress, count: number): Promise<void> {
    const family = destination.address.includes(':') ? 'ipv6' : 'ipv4';
    const { address, port } = destination;
    await this.run('a', synFloodFile, this.#host(family, 100), address, String(port), String(count));
  }

  /** What a side's kernel says of one of its listening sockets. */
  async listeningSocket(side: Side, { address, port }: SocketAddress): Promise<ListeningSocket> {
    const sockets = await listeningSockets(this.relay.namespace(side).path);
    const found = sockets.find((socket) => socket.address === address && socket.port === port);
    if (!found) throw new Error(`nothing listens at ${address} port ${port}`);
    return found;
  }

  /** What a side's kernel counted since the lab was made, by nstat's names. */
  async counters(side: Side): Promise<Readonly<Record<string, number>>> {
    return await kernelCounters(this.relay.namespace(side).path);
  }

  /** Captures one side's TCP and UDP packets from now on. */
  async capture(side: Side): Promise<Capture> {
    return this.#resources.use(await Capture.start(this.relay.namespace(side).path));
  }

  async #configure(side: Side): Promise<void> {
    // No router solicitations, no generated addresses: the only packets on the wire are those of the test.
    await this.setting(side, 'net.ipv6.conf.wire.addr_gen_mode', 1);
    // Nothing learnt from one connection changes the next.
    await this.setting(side, 'net.ipv4.tcp_no_metrics_save', 1);
    for (const device of ['lo', 'wire']) await this.run(side, 'ip', 'link', 'set', device, 'up');
    for (const family of families) await this.#addAddress(side, this.address(side, family));
  }

  /** With `preferred_lft 0` it is one that nothing chooses as its own without being told. */
  async #addAddress(side: Side, address: string, ...options: string[]): Promise<void> {
    const [prefix, ...more] = address.includes(':') ? [`${address}/64`, 'nodad'] : [`${address}/24`];
    await this.run(side, 'ip', 'address', 'replace', prefix, 'dev', 'wire', ...more, ...options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
