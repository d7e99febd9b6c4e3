import { type DynamicModule, Module } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import { AgentsModule } from './agents/agents.module.js';
import { AuditModule } from './audit/audit.module.js';
import type { Configuration } from './config/configuration.js';
import { configurationModule } from './config/configuration.module.js';
import { DatabaseModule } from './database/database.module.js';
import { DiagnosesModule } from './diagnoses/diagnoses.module.js';
import { DnsQueriesModule } from './dns-queries/dns-queries.module.js';
import { EnrolmentModule } from './enrolment/enrolment.module.js';
import { FindingsModule } from './findings/findings.module.js';
import { HandshakePairsModule } from './handshake-pairs/handshake-pairs.module.js';
import { HandshakesModule } from './handshakes/handshakes.module.js';
import { HealthModule } from './health/health.module.js';
import { HttpModule } from './http/http.module.js';
import { IngestModule } from './ingest/ingest.module.js';
import { JoinTokensModule } from './join-tokens/join-tokens.module.js';
import { BoundAddressesModule } from './lifecycle/bound-addresses.js';
import { LinkModule } from './link/link.module.js';
import { ListenersModule } from './listeners/listeners.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { NameLookupsModule } from './name-lookups/name-lookups.module.js';
import { ReceiveQueueDropsModule } from './receive-queue-drops/receive-queue-drops.module.js';
import { SchedulesModule } from './schedules/schedules.module.js';
import { SessionEventsModule } from './session-events/session-events.module.js';
import { ThresholdsModule } from './thresholds/thresholds.module.js';
import { TraceSessionsModule } from './trace-sessions/trace-sessions.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

/** What every feature stands on. */
const FOUNDATION = [
  DatabaseModule,
  MetricsModule,
  HealthModule,
  BoundAddressesModule,
  HttpModule,
  AccessModule,
  AuditModule,
];

/** The features; one line each. */
const FEATURES: (new () => object)[] = [
  IngestModule,
  HandshakesModule,
  HandshakePairsModule,
  DnsQueriesModule,
  NameLookupsModule,
  ReceiveQueueDropsModule,
  ListenersModule,
  JoinTokensModule,
  EnrolmentModule,
  AgentsModule,
  TraceSessionsModule,
  SessionEventsModule,
  SchedulesModule,
  FindingsModule,
  WebhooksModule,
  ThresholdsModule,
  DiagnosesModule,
  LinkModule,
];

@Module({})
class ApplicationModule {}

export function applicationModule(configuration: Configuration): DynamicModule {
  return {
    module: ApplicationModule,
    imports: [configurationModule(configuration), ...FOUNDATION, ...FEATURES],
  };
}
