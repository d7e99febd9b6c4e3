import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AccessGuard } from './access.guard.js';
import { AdminTokenFile } from './admin-token-file.js';
import { ApiTokenController } from './api-token.controller.js';
import { ApiTokenEntity } from './api-token.entity.js';
import { ApiTokenService } from './api-token.service.js';
import { ApiTokenStore } from './api-token.store.js';
import { ContinuedAccess } from './continued-access.js';
import { RequestLimits } from './request-limits.js';

@Module({
  imports: [TypeOrmModule.forFeature([ApiTokenEntity]), AuditModule],
  controllers: [ApiTokenController],
  providers: [
    ApiTokenStore,
    ApiTokenService,
    AdminTokenFile,
    RequestLimits,
    ContinuedAccess,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [ApiTokenService, ContinuedAccess],
})
export class AccessModule {}
