import type { SocketAddress } from './relay.ts';
import { runInNamespace } from './tools.ts';

/** A listening TCP socket as `ss -ltnm` shows it. */
export interface ListeningSocket extends SocketAddress {
  /** Connections that wait for accept() (Recv-Q). The queue is full once they are more than `limit`. */
  readonly acceptQueue: number;
  /** Send-Q. */
  readonly limit: number;
  /** SYNs and third packets that it dropped, sk_drops. */
  readonly drops: number;
}

export async function listeningSockets(namespacePath: string): Promise<readonly ListeningSocket[]> {
  const output = await runInNamespace(namespacePath, 'ss', '-ltnmH');
  return [
    ...output.matchAll(/^LISTEN\s+(\d+)\s+(\d+)\s+\[?([\d.a-f:*]+?)\]?:(\d+)\s.*?skmem:\(.*?,d(\d+)\)/gms),
  ].map(([, queue, limit, address, port, drops]) => ({
    address: address ?? '',
    port: Number(port),
    acceptQueue: Number(queue),
    limit: Number(limit),
    drops: Number(drops),
  }));
}

/** What the kernel counted in a network namespace since it was made: `nstat` of everything, for example "TcpExtListenOverflows". */
export async function kernelCounters(namespacePath: string): Promise<Readonly<Record<string, number>>> {
  const output = await runInNamespace(namespacePath, 'nstat', '--json', '-a', '-s', '-z');
  return (JSON.parse(output) as { kernel: Record<string, number> }).kernel;
}

/** Datagrams that the UDP sockets of a port dropped, as the kernel's own table shows them. */
export async function datagramDrops(namespacePath: string, port: number): Promise<number> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const tables = await runInNamespace(namespacePath, 'cat', '/proc/net/udp', '/proc/net/udp6');
  // The local port in hexadecimal; the count of drops is the last column.
  const rows = tables.matchAll(new RegExp(`^\\s*\\d+: \\w+:${hexPort} .*\\s(\\d+)\\s*$`, 'gm'));
  return [...rows].reduce((sum, [, drops]) => sum + Number(drops), 0);
}
