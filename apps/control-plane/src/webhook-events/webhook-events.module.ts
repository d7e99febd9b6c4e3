import { Module } from '@nestjs/common';
import { ChangeFeedModule } from '../change-feed/change-feed.module.js';
import { WebhookEvents } from './webhook-events.js';

/** For features whose news are of interest to bots. */
@Module({
  imports: [ChangeFeedModule],
  providers: [WebhookEvents],
  exports: [WebhookEvents],
})
export class WebhookEventsModule {}
