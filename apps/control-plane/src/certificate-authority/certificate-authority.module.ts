import { Module } from '@nestjs/common';
import { AgentCertificates } from './agent-certificates.js';
import { CertificateAuthorityService } from './certificate-authority.service.js';
import { CertificateAuthorityStore } from './certificate-authority.store.js';

@Module({
  providers: [AgentCertificates, CertificateAuthorityService, CertificateAuthorityStore],
  exports: [AgentCertificates, CertificateAuthorityService],
})
export class CertificateAuthorityModule {}
