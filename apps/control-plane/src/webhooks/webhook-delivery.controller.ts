import { Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type IdentifierParams,
  identifierParamsSchema,
  type WebhookDelivery,
  type WebhookDeliveryListQuery,
  type WebhookDeliveryParams,
  type WebhookDeliveryWaitQuery,
  webhookDeliveryListQuerySchema,
  webhookDeliveryListSchema,
  webhookDeliveryParamsSchema,
  webhookDeliverySchema,
  webhookDeliveryWaitQuerySchema,
} from '@synscope/api-contract';
import { type Actor, CurrentActor } from '../access/actor.js';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { WebhookDeliveryService } from './webhook-delivery.service.js';

const UNKNOWN = 'There is no such delivery of this webhook, or no more.';
const DISABLED = 'The webhook is disabled.';

@ApiTags('Webhooks')
@Controller('webhooks/:id')
export class WebhookDeliveryController {
  constructor(private readonly deliveries: WebhookDeliveryService) {}

  @Post('test')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Send a test event to a webhook',
    description:
      'An event of the type `webhook.test`, attempted once. With `wait`, answers when the attempt has ended: look at its `state`.',
    response: webhookDeliverySchema,
    status: 201,
    errors: { 404: 'There is no such webhook.', 409: DISABLED },
  })
  test(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Query({ schema: webhookDeliveryWaitQuerySchema }) { wait = 0 }: WebhookDeliveryWaitQuery,
    @CurrentActor() actor: Actor,
  ): Promise<WebhookDelivery> {
    return this.deliveries.test(id, wait, actor);
  }

  @Get('deliveries')
  @RequireRole('operator')
  @ListEndpoint({
    summary: 'List the deliveries of a webhook',
    description: 'Newest first, each with its attempts. Kept for 14 days (SYNSCOPE_WEBHOOK_RETENTION).',
    item: webhookDeliverySchema,
    list: webhookDeliveryListSchema,
    errors: { 404: 'There is no such webhook.' },
  })
  list(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Query({ schema: webhookDeliveryListQuerySchema }) query: WebhookDeliveryListQuery,
  ): Promise<KeysetList<WebhookDelivery>> {
    return this.deliveries.list(id, query);
  }

  @Get('deliveries/:deliveryId')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Get a delivery',
    description: 'By its `webhook-id` header.',
    response: webhookDeliverySchema,
    errors: { 404: UNKNOWN },
  })
  get(
    @Param({ schema: webhookDeliveryParamsSchema }) { id, deliveryId }: WebhookDeliveryParams,
  ): Promise<WebhookDelivery> {
    return this.deliveries.get(id, deliveryId);
  }

  @Post('deliveries/:deliveryId/redeliver')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Deliver an event again',
    description:
      'With the same `webhook-id`, whatever became of it before, and with the whole schedule of retries. With `wait`, answers when the next attempt has ended.',
    response: webhookDeliverySchema,
    errors: { 404: UNKNOWN, 409: DISABLED },
  })
  redeliver(
    @Param({ schema: webhookDeliveryParamsSchema }) { id, deliveryId }: WebhookDeliveryParams,
    @Query({ schema: webhookDeliveryWaitQuerySchema }) { wait = 0 }: WebhookDeliveryWaitQuery,
    @CurrentActor() actor: Actor,
  ): Promise<WebhookDelivery> {
    return this.deliveries.redeliver(id, deliveryId, wait, actor);
  }
}
