import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { CertificateAuthorityModule } from '../certificate-authority/certificate-authority.module.js';
import { JoinTokenController } from './join-token.controller.js';
import { JoinTokenEntity } from './join-token.entity.js';
import { JoinTokenService } from './join-token.service.js';
import { JoinTokenStore } from './join-token.store.js';

@Module({
  imports: [TypeOrmModule.forFeature([JoinTokenEntity]), AuditModule, CertificateAuthorityModule],
  controllers: [JoinTokenController],
  providers: [JoinTokenService, JoinTokenStore],
  exports: [JoinTokenService],
})
export class JoinTokensModule {}
