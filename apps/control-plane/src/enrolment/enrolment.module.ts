import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/agents.module.js';
import { CertificateAuthorityModule } from '../certificate-authority/certificate-authority.module.js';
import { GrpcModule } from '../grpc/grpc.module.js';
import { JoinTokensModule } from '../join-tokens/join-tokens.module.js';
import { EnrolmentEndpoint } from './enrolment.endpoint.js';
import { EnrolmentService } from './enrolment.service.js';

@Module({
  imports: [AgentsModule, CertificateAuthorityModule, GrpcModule, JoinTokensModule],
  providers: [EnrolmentEndpoint, EnrolmentService],
})
export class EnrolmentModule {}
