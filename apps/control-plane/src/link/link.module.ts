import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/agents.module.js';
import { CertificateAuthorityModule } from '../certificate-authority/certificate-authority.module.js';
import { ChangeFeedModule } from '../change-feed/change-feed.module.js';
import { GrpcModule } from '../grpc/grpc.module.js';
import { IngestModule } from '../ingest/ingest.module.js';
import { TraceSessionsModule } from '../trace-sessions/trace-sessions.module.js';
import { AgentArrivals } from './agent-arrivals.js';
import { CertificateRenewal } from './certificate-renewal.js';
import { DesiredSessionsDistributor } from './desired-sessions-distributor.js';
import { LinkEndpoint } from './link.endpoint.js';
import { LinkService } from './link.service.js';
import { LinkUpkeep } from './link-upkeep.js';
import { SignsOfLife } from './signs-of-life.js';
import { StreamRegistry } from './stream-registry.js';

@Module({
  imports: [
    AgentsModule,
    CertificateAuthorityModule,
    ChangeFeedModule,
    GrpcModule,
    IngestModule,
    TraceSessionsModule,
  ],
  providers: [
    AgentArrivals,
    CertificateRenewal,
    DesiredSessionsDistributor,
    LinkEndpoint,
    LinkService,
    LinkUpkeep,
    SignsOfLife,
    StreamRegistry,
  ],
})
export class LinkModule {}
