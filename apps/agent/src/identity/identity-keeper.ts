import { createPublicKey, X509Certificate } from 'node:crypto';
import type { Certificate } from '@synscope/protocol';
import { AgentError } from '../agent-error.js';
import type { Clock, Timer } from '../clock.js';
import type { LinkCredentials } from '../link/link-stream.js';
import type { Log } from '../log.js';
import { type EnrolmentOrder, enrol, expiryOf, identityOf, renewalOf } from './enrolment.js';
import { type Identity, type IdentityStore, newPrivateKey } from './identity-store.js';
import type { JoinToken } from './join-token.js';
import { pinOf } from './pinned-authority.js';
import { createSigningRequest } from './signing-request.js';

export type EnrolmentTerms = Omit<EnrolmentOrder, 'token'> & { readonly token: JoinToken | undefined };

/** Until a renewal that was not answered is asked for again. */
const RENEWAL_RETRY_MS = 60_000;
/** Of so many attempts in a row with a successor, the last is made with the identity that it succeeds, should something be wrong with it. */
const ATTEMPTS_IN_TURN = 4;

/**
 * Holds the agent's identity, enrols when there is none that works, and renews it in two phases: a successor with a key of its own is asked for on
 * the stream and stored beside the identity; once the control plane has welcomed a stream with it, it is the identity, on both sides.
 */
export class IdentityKeeper {
  private identity: Identity | undefined;
  /** The control plane did not take the certificate. */
  private unaccepted = false;
  /** What the present attempt, or stream, was opened with. */
  private offered: Identity | undefined;
  private attempts = 0;
  private renewal: Timer | undefined;

  constructor(
    private readonly terms: EnrolmentTerms,
    private readonly store: IdentityStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** What to open a stream with. Enrols if it must. Throws AgentError if it must and cannot. */
  async credentials(): Promise<LinkCredentials> {
    this.identity ??= this.store.load();
    this.offered = this.offeredSuccessor() ?? (await this.accepted());
    this.attempts++;
    return this.offered;
  }

  /** A stream was welcomed: a successor that it was opened with has proven itself. */
  welcomed(): void {
    this.attempts = 0;
    if (this.offered === undefined || this.offered.certificate === this.identity?.certificate) return;
    this.store.save(this.offered);
    this.identity = this.offered;
    this.log.info({ expires: expiryOf(this.offered).toISOString() }, 'certificate renewed');
  }

  /** The control plane does not take what was offered. True if there is something else to offer, or a token to buy it with. */
  rejected(): boolean {
    if (this.identity !== undefined && this.offered?.certificate !== this.identity.certificate) {
      this.store.dropSuccessor();
      return true;
    }
    this.unaccepted = this.terms.token !== undefined;
    return this.unaccepted;
  }

  /** Somebody else has this identity, and this host is to become a new agent. False if there is no token for that. */
  startAnew(): boolean {
    if (this.terms.token === undefined) return false;
    this.store.forget();
    this.identity = undefined;
    return true;
  }

  /** Calls `request` with a signing request when 2/3 of the certificate's life are over, and again until `renewed`. */
  watchRenewal(request: (signingRequest: Buffer) => void): void {
    this.renewal?.cancel();
    if (this.identity === undefined) return;
    const dueInMs = renewalOf(this.identity).getTime() - this.clock.wallUs() / 1000;
    this.renewal = this.clock.after(Math.max(0, dueInMs), () => this.renew(request));
  }

  /** Now, with a key that no copy of the data directory has. */
  renewNow(request: (signingRequest: Buffer) => void): void {
    this.renewal?.cancel();
    this.store.dropSuccessor();
    this.renew(request);
  }

  /** True if there is a successor now to open a stream with. */
  renewed(certificate: Certificate): boolean {
    const successor = this.store.successor();
    if (this.identity === undefined || successor === undefined) return false;
    const identity = identityOf(Buffer.from(this.identity.agentId, 'hex'), certificate, successor.privateKey);
    if (!new X509Certificate(identity.certificate).publicKey.equals(createPublicKey(successor.privateKey))) {
      this.log.warn({}, 'a certificate came for another key than was asked for; it is not used');
      return false;
    }
    this.renewal?.cancel();
    this.store.saveSuccessor({ ...successor, identity });
    return true;
  }

  stop(): void {
    this.renewal?.cancel();
  }

  private renew(request: (signingRequest: Buffer) => void): void {
    this.renewal = this.clock.after(RENEWAL_RETRY_MS, () => this.renew(request));
    // The same key again, if an earlier request was not answered or the agent died over the answer.
    const privateKey = this.store.successor()?.privateKey ?? newPrivateKey();
    // Stored first: a certificate must not come for a key that nobody has any more.
    this.store.saveSuccessor({ privateKey });
    request(createSigningRequest(privateKey));
  }

  private offeredSuccessor(): Identity | undefined {
    const identity = this.store.successor()?.identity;
    if (identity === undefined || this.identity === undefined) return undefined;
    // Left over: the agent died between the two steps of storing it as the identity. Or of another agent, which this host was once.
    if (identity.agentId !== this.identity.agentId || identity.certificate === this.identity.certificate) {
      this.store.dropSuccessor();
      return undefined;
    }
    const othersTurn =
      this.attempts % ATTEMPTS_IN_TURN === ATTEMPTS_IN_TURN - 1 && !this.isStale(this.identity);
    return othersTurn || this.isStale(identity) ? undefined : identity;
  }

  /** The identity; of a new enrolment if it would not be taken. */
  private async accepted(): Promise<Identity> {
    const { token, ...order } = this.terms;
    if (this.identity === undefined || this.unaccepted || this.isStale(this.identity)) {
      if (token === undefined) throw this.withoutToken();
      this.identity = await enrol({ ...order, token }, this.store, this.clock, this.log);
      this.unaccepted = false;
    }
    return this.identity;
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
