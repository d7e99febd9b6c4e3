import { X509Certificate } from 'node:crypto';
import type { Certificate } from '@synscope/protocol';
import { AgentError } from '../agent-error.js';
import type { Clock, Timer } from '../clock.js';
import type { LinkCredentials } from '../link/link-stream.js';
import type { Log } from '../log.js';
import { type EnrolmentOrder, enrol, expiryOf, identityOf, renewalOf } from './enrolment.js';
import type { Identity, IdentityStore } from './identity-store.js';
import type { JoinToken } from './join-token.js';
import { pinOf } from './pinned-authority.js';
import { createSigningRequest } from './signing-request.js';

export type EnrolmentTerms = Omit<EnrolmentOrder, 'token'> & { readonly token: JoinToken | undefined };

/** Until a renewal that was not answered is asked for again. */
const RENEWAL_RETRY_MS = 60_000;

/** Holds the agent's identity, enrols when there is none that works, and renews the certificate on the stream. */
export class IdentityKeeper {
  private identity: Identity | undefined;
  /** The control plane did not take the certificate. */
  private unaccepted = false;
  private renewal: Timer | undefined;

  constructor(
    private readonly terms: EnrolmentTerms,
    private readonly store: IdentityStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Enrols if it must. Throws AgentError if it must and cannot. */
  async credentials(): Promise<LinkCredentials> {
    const { token, ...order } = this.terms;
    this.identity ??= this.store.load();
    if (this.identity === undefined || this.unaccepted || this.isStale(this.identity)) {
      if (token === undefined) throw this.withoutToken();
      this.identity = await enrol({ ...order, token }, this.store, this.clock, this.log);
      this.unaccepted = false;
    }
    return { ...this.identity, privateKey: this.store.privateKey() };
  }

  /** The control plane does not know this certificate. True if the token may buy another. */
  rejected(): boolean {
    this.unaccepted = this.terms.token !== undefined;
    return this.unaccepted;
  }

  /** Calls `request` with a signing request when 2/3 of the certificate's life are over, and again until `renewed`. */
  watchRenewal(request: (signingRequest: Buffer) => void): void {
    this.renewal?.cancel();
    if (this.identity === undefined) return;
    const dueInMs = renewalOf(this.identity).getTime() - this.clock.wallUs() / 1000;
    this.renewal = this.clock.after(Math.max(0, dueInMs), () => this.renew(request));
  }

  renewed(certificate: Certificate): void {
    if (this.identity === undefined) return;
    const identity = identityOf(Buffer.from(this.identity.agentId, 'hex'), certificate);
    this.store.save(identity);
    this.identity = identity;
    this.log.info({ expires: expiryOf(identity).toISOString() }, 'certificate renewed');
  }

  stop(): void {
    this.renewal?.cancel();
  }

  private renew(request: (signingRequest: Buffer) => void): void {
    this.renewal = this.clock.after(RENEWAL_RETRY_MS, () => this.renew(request));
    request(createSigningRequest(this.store.privateKey()));
  }

  /** Expired, or of another control plane than the token's. */
  private isStale(identity: Identity): boolean {
    const { token } = this.terms;
    if (token !== undefined) {
      const pins = identity.certificateAuthorities.map((pem) => pinOf(new X509Certificate(pem)));
      if (!pins.includes(token.pin)) return true;
    }
    return expiryOf(identity).getTime() * 1000 <= this.clock.wallUs();
  }

  private withoutToken(): AgentError {
    const howTo = 'make a join token (POST /api/v1/join-tokens) and start the agent once with --token';
    if (this.identity === undefined) {
      return new AgentError('not_enrolled', `this agent is not enrolled yet: ${howTo}`);
    }
    const expired = expiryOf(this.identity).toISOString();
    return new AgentError('certificate_expired', `this agent's certificate expired at ${expired}: ${howTo}`);
  }
}
