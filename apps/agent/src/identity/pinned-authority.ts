import { createHash, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { AgentError } from '../agent-error.js';
import type { ServerAddress } from './server-address.js';

const CONNECT_MAX_MS = 10_000;
/** A chain is never longer; guards against a loop. */
const CHAIN_MAX = 8;

/** Nobody answered, or it was no TLS: trying again may help. */
export class ServerUnreachable extends Error {
  override readonly name = 'ServerUnreachable';
}

export function pinOf(certificate: X509Certificate): string {
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

/**
 * Looks at the certificates that the server presents, without trusting any, and returns (PEM) the CA that the pin names. Nothing is sent on
 * that connection. Throws AgentError `server_not_trusted` if no CA there has the pin, ServerUnreachable if it cannot be asked.
 */
export async function fetchPinnedAuthority(server: ServerAddress, pin: string): Promise<string> {
  const presented = await presentedChain(server);
  const authority = presented.find((certificate) => certificate.ca && pinOf(certificate) === pin);
  if (authority === undefined) {
    throw new AgentError(
      'server_not_trusted',
      `${server.host}:${server.port} is not the control plane that issued this join token: none of the ` +
        `${presented.length} certificates that it presents is the pinned CA. Check --server, and whether ` +
        'something on the way replaces certificates; if the control plane was set up anew, make a new token.',
    );
  }
  return authority.toString();
}

function presentedChain(server: ServerAddress): Promise<X509Certificate[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: server.host,
      port: server.port,
      ALPNProtocols: ['h2'],
      // The pin is what is checked, by the caller.
      rejectUnauthorized: false,
      ...(isIP(server.host) === 0 ? { servername: server.host } : {}),
    });
    socket.setTimeout(CONNECT_MAX_MS, () =>
      socket.destroy(new Error(`no answer within ${CONNECT_MAX_MS / 1000} s`)),
    );
    socket.once('error', (error) => {
      reject(new ServerUnreachable(`${server.host}:${server.port}: ${error.message}`));
    });
    socket.once('secureConnect', () => {
      const chain: X509Certificate[] = [];
      let next = socket.getPeerX509Certificate();
      while (next !== undefined && chain.length < CHAIN_MAX) {
        chain.push(next);
        next = next.issuerCertificate;
      }
      socket.destroy();
      resolve(chain);
    });
  });
}
