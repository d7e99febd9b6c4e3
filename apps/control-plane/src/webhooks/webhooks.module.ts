import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { ChangeFeedModule } from '../change-feed/change-feed.module.js';
import { AttemptRecorder } from './attempt-recorder.js';
import { AttemptResultsStore } from './attempt-results.store.js';
import { DeliveryAttempt } from './delivery-attempt.js';
import { DeliveryQueueStore } from './delivery-queue.store.js';
import { HostResolver } from './outbound/host-resolver.js';
import { OutboundHttp } from './outbound/outbound-http.js';
import { WebhookController } from './webhook.controller.js';
import { WebhookMetrics } from './webhook.metrics.js';
import { WebhookService } from './webhook.service.js';
import { WebhookStore } from './webhook.store.js';
import { WebhookChangeRecorder } from './webhook-change-recorder.js';
import { WebhookDeliveryController } from './webhook-delivery.controller.js';
import { WebhookDeliveryService } from './webhook-delivery.service.js';
import { WebhookDeliveryStore } from './webhook-delivery.store.js';
import { WebhookDisabling } from './webhook-disabling.js';
import { WebhookDispatcher } from './webhook-dispatcher.js';
import { WebhookRetention } from './webhook-retention.js';
import { WebhookRetentionStore } from './webhook-retention.store.js';
import { WebhookSecretStore } from './webhook-secret.store.js';

@Module({
  imports: [AuditModule, ChangeFeedModule],
  controllers: [WebhookController, WebhookDeliveryController],
  providers: [
    AttemptRecorder,
    AttemptResultsStore,
    DeliveryAttempt,
    DeliveryQueueStore,
    HostResolver,
    OutboundHttp,
    WebhookChangeRecorder,
    WebhookDeliveryService,
    WebhookDeliveryStore,
    WebhookDisabling,
    WebhookDispatcher,
    WebhookMetrics,
    WebhookRetention,
    WebhookRetentionStore,
    WebhookSecretStore,
    WebhookService,
    WebhookStore,
  ],
})
export class WebhooksModule {}
