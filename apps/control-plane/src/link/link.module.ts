import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/agents.module.js';
import { CertificateAuthorityModule } from '../certificate-authority/certificate-authority.module.js';
import { ChangeFeedModule } from '../change-feed/change-feed.module.js';
import { FleetClockModule } from '../fleet-clock/fleet-clock.module.js';
import { GrpcModule } from '../grpc/grpc.module.js';
import { IngestModule } from '../ingest/ingest.module.js';
import { TraceSessionsModule } from '../trace-sessions/trace-sessions.module.js';
import { AgentArrivals } from './agent-arrivals.js';
import { AgentCopies } from './agent-copies.js';
import { AgentReports } from './agent-reports.js';
import { AgentWelcome } from './agent-welcome.js';
import { CertificateRenewal } from './certificate-renewal.js';
import { DesiredSessionsDistributor } from './desired-sessions-distributor.js';
import { LinkEndpoint } from './link.endpoint.js';
import { LinkDuties } from './link-duties.js';
import { LinkHints } from './link-hints.js';
import { LinkUpkeep } from './link-upkeep.js';
import { SignsOfLife } from './signs-of-life.js';
import { StreamOwnership } from './stream-ownership.js';
import { StreamRegistry } from './stream-registry.js';
import { UnaskedSessions } from './unasked-sessions.js';

@Module({
  imports: [
    AgentsModule,
    CertificateAuthorityModule,
    ChangeFeedModule,
    FleetClockModule,
    GrpcModule,
    IngestModule,
    TraceSessionsModule,
  ],
  providers: [
    AgentArrivals,
    AgentCopies,
    CertificateRenewal,
    DesiredSessionsDistributor,
    LinkEndpoint,
    LinkDuties,
    LinkHints,
    AgentReports,
    AgentWelcome,
    StreamOwnership,
    LinkUpkeep,
    SignsOfLife,
    StreamRegistry,
    UnaskedSessions,
  ],
})
export class LinkModule {}
