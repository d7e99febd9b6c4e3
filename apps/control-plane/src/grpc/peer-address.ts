/** The address in what grpc-js calls a peer: `192.0.2.1:1234` or `[2001:db8::1]:1234`. */
export function peerAddress(peer: string): string {
  const end = peer.lastIndexOf(':');
  const host = end < 0 ? peer : peer.slice(0, end);
  return host.replace(/^\[|\]$/g, '');
}
