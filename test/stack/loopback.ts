import { Client, Server } from '../lab/endpoint.ts';
import { buildLabTools } from '../lab/tools.ts';

/** Both at most 15 bytes, as in /proc/PID/comm; what the sessions of the tests select, apart from all else on the machine. */
export const clientName = 'e2e-client';
export const serverName = 'e2e-server';
export const processNames = [clientName, serverName];

/** A server on the host's loopback. */
export async function listenOnLoopback(address = '127.0.0.1'): Promise<Server> {
  await buildLabTools();
  return await Server.start(undefined, { address, name: serverName });
}

/** Connects `count` times, one after another, and closes at once; resolves when all are done. */
export async function connectTo(server: Server, count: number, intervalUs = 1_000): Promise<void> {
  const { address, port } = server.address;
  await using client = await Client.start(undefined, {
    address,
    port,
    count,
    intervalUs,
    closeAtOnce: true,
    name: clientName,
  });
  const connects = await client.connects(count, 10_000 + (count * intervalUs) / 1_000);
  const failed = connects.find(({ error }) => error !== '');
  if (failed) throw new Error(`connect failed: ${failed.error}`);
}
