import { Injectable, Logger } from '@nestjs/common';
import type { Certificate } from '@synscope/protocol';
import { AgentPresenceStore } from '../agents/agent-presence.store.js';
import { AgentCertificates } from '../certificate-authority/agent-certificates.js';

/** A successor for the certificate that a stream was opened with, the first of two phases if it is for another key. */
@Injectable()
export class CertificateRenewal {
  private readonly logger = new Logger('Link');

  constructor(
    private readonly certificates: AgentCertificates,
    private readonly presence: AgentPresenceStore,
  ) {}

  async renew(agentId: string, signingRequest: Uint8Array): Promise<Certificate> {
    const key = await this.certificates.readKey(signingRequest);
    await this.presence.offerSuccessor(agentId, key.hash);
    this.logger.debug(`issued a successor of the certificate of the agent ${agentId}`);
    return this.certificates.issue(key, agentId);
  }
}
