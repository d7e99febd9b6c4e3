import { hostname } from 'node:os';
import { experimental } from '@grpc/grpc-js';
import { type Authority, issueServerCertificate, type ServerCertificate } from './certificates.js';

type CaListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0];
type IdentityListener = Parameters<experimental.CertificateProvider['addIdentityCertificateListener']>[0];

// Node clamps longer delays to 1 ms.
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/**
 * The gRPC server's own certificate, renewed while the server runs, and the authority that agents' certificates must come from. One
 * object is both providers of `experimental.createCertificateProviderServerCredentials`, whose two arguments grpc-js 1.14 takes in
 * another order than its types say.
 */
export class ServerIdentity implements experimental.CertificateProvider {
  private readonly caListeners = new Set<CaListener>();
  private readonly identityListeners = new Set<IdentityListener>();
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly authority: Authority,
    private readonly names: readonly string[],
    private current: ServerCertificate,
  ) {
    this.scheduleRenewal();
  }

  static async create(authority: Authority, names: readonly string[]): Promise<ServerIdentity> {
    return new ServerIdentity(authority, names, await issueServerCertificate(authority, names, new Date()));
  }

  addCaCertificateListener(listener: CaListener): void {
    this.caListeners.add(listener);
    // Not at once: grpc-js 1.14 asks before it listens to the answer, and would drop every connection for want of a certificate.
    queueMicrotask(() =>
      listener({ caCertificate: Buffer.from(this.authority.certificate.toString('pem')) }),
    );
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.caListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.identityListeners.add(listener);
    queueMicrotask(() => listener(this.identity()));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.identityListeners.delete(listener);
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private identity() {
    return { certificate: Buffer.from(this.current.chain), privateKey: Buffer.from(this.current.privateKey) };
  }

  private scheduleRenewal(): void {
    const delay = Math.max(0, this.current.renewAt.getTime() - Date.now());
    this.timer = setTimeout(() => void this.renewIfDue(), Math.min(delay, LONGEST_DELAY_MS)).unref();
  }

  private async renewIfDue(): Promise<void> {
    if (Date.now() >= this.current.renewAt.getTime()) {
      this.current = await issueServerCertificate(this.authority, this.names, new Date());
      for (const listener of this.identityListeners) listener(this.identity());
    }
    this.scheduleRenewal();
  }
}

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

/** The names that the server's certificate is good for: where it listens, this host, loopback, and what is configured beside. */
export function serverNames(listenHost: string, configured: readonly string[]): readonly string[] {
  const own = WILDCARDS.has(listenHost) ? [] : [listenHost];
  return [...new Set([...own, 'localhost', '127.0.0.1', '::1', hostname(), ...configured])];
}
