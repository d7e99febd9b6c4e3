import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CertificateAuthorityStore } from './certificate-authority.store.js';
import {
  type Authority,
  createAuthority,
  type IssuedCertificate,
  issueAgentCertificate,
  openAuthority,
  pinOf,
} from './certificates.js';

type AgentKey = Parameters<typeof issueAgentCertificate>[1];

/** Signs agents' certificates with the authority that all replicas share. */
@Injectable()
export class CertificateAuthorityService implements OnModuleInit {
  private opened: Authority | null = null;

  constructor(private readonly store: CertificateAuthorityStore) {}

  async onModuleInit(): Promise<void> {
    this.opened = await openAuthority(await this.store.loadOrCreate(() => createAuthority(new Date())));
  }

  get authority(): Authority {
    if (this.opened === null)
      throw new Error('the certificate authority is used before the module has started');
    return this.opened;
  }

  /** What join tokens carry, so that an agent recognises this control plane. */
  get pin(): string {
    return pinOf(this.authority);
  }

  /** DER of every certificate that agents are to trust. */
  get trustedCertificates(): readonly Uint8Array[] {
    return [new Uint8Array(this.authority.certificate.rawData)];
  }

  issueAgentCertificate(publicKey: AgentKey, agentId: string): Promise<IssuedCertificate> {
    return issueAgentCertificate(this.authority, publicKey, agentId, new Date());
  }
}
