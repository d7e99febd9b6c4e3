import { hostKey, type ListenerView } from '../evidence/listener-memory.js';
import { type HandshakeEnd, isLoopback, type QueryEnd } from '../evidence/records.js';
import type { Subject } from './rule.js';

/** `192.0.2.7:443`, `[2001:db8::7]:443`. */
export function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function listenerSubject({ agentId, netns, address, port, processName }: ListenerView): Subject {
  return {
    key: `${hostKey({ agentId, netns })}|${address}|${port}`,
    kind: 'listener',
    agentId,
    address,
    port,
    name: processName,
    netns,
  };
}

/** A listener, as far as a server's record of a handshake tells. */
export function localSubject(server: HandshakeEnd): Subject {
  const { agentId, netns, localAddress: address, localPort: port, processName } = server;
  const key = `${hostKey({ agentId, netns })}|${address}|${port}`;
  return { key, kind: 'listener', agentId, address, port, name: processName, netns };
}

/** The way of clients to an address and port. A loopback address is another one on each host. */
export function pathSubject(client: HandshakeEnd, serverAgentId: string | null): Subject {
  const { remoteAddress: address, remotePort: port } = client;
  const own = isLoopback(address);
  return {
    key: `${own ? hostKey(client) : ''}|${address}|${port}`,
    kind: 'path',
    agentId: own ? client.agentId : serverAgentId,
    address,
    port,
    name: null,
    netns: own ? client.netns : null,
  };
}

/** A DNS server as a client knows it, and a name that it answers. */
export function serverSubject(query: QueryEnd, name: string | null = null): Subject {
  const { serverAddress: address, serverPort: port, side } = query;
  const own = side === 'resolver' || isLoopback(address);
  return {
    key: `${own ? hostKey(query) : ''}|${address}|${port}|${name ?? ''}`,
    kind: name === null ? 'path' : 'name',
    agentId: own ? query.agentId : null,
    address,
    port,
    name,
    netns: own ? query.netns : null,
  };
}

/** A resolver on a host that is traced. */
export function resolverSubject(
  host: { readonly agentId: string; readonly netns: number | null; readonly name: string | null },
  address: string,
  port: number,
): Subject {
  return {
    key: `${hostKey(host)}|${address}|${port}`,
    kind: 'resolver',
    agentId: host.agentId,
    address,
    port,
    name: host.name,
    netns: host.netns,
  };
}
