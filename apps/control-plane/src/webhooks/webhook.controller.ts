import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type IdentifierParams,
  identifierParamsSchema,
  type Webhook,
  type WebhookCreate,
  type WebhookCreated,
  type WebhookListQuery,
  type WebhookUpdate,
  webhookCreatedSchema,
  webhookCreateSchema,
  webhookListQuerySchema,
  webhookListSchema,
  webhookSchema,
  webhookUpdateSchema,
} from '@synscope/api-contract';
import { type Actor, CurrentActor } from '../access/actor.js';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { WebhookService } from './webhook.service.js';

const UNKNOWN = 'There is no such webhook.';

@ApiTags('Webhooks')
@Controller('webhooks')
export class WebhookController {
  constructor(private readonly webhooks: WebhookService) {}

  @Post()
  @RequireRole('admin')
  @Endpoint({
    summary: 'Create a webhook',
    description:
      'Each event of the named types is posted to the URL as JSON, signed as https://www.standardwebhooks.com has it with the secret of the answer. What is not answered with 2xx within 15 seconds (SYNSCOPE_WEBHOOK_TIMEOUT) is sent again, ten times over three days.',
    response: webhookCreatedSchema,
    status: 201,
    errors: {
      409: 'Another webhook has the name, or there are 100; or the Idempotency-Key was used for another request.',
    },
  })
  create(
    @Body({ schema: webhookCreateSchema }) body: WebhookCreate,
    @CurrentActor() actor: Actor,
  ): Promise<WebhookCreated> {
    return this.webhooks.create(body, actor);
  }

  @Get()
  @RequireRole('operator')
  @ListEndpoint({
    summary: 'List webhooks',
    description: 'Newest first, without their secrets. For operators, since a URL may be a secret too.',
    item: webhookSchema,
    list: webhookListSchema,
  })
  list(@Query({ schema: webhookListQuerySchema }) query: WebhookListQuery): KeysetList<Webhook> {
    return this.webhooks.list(query);
  }

  @Get(':id')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Get a webhook',
    description: 'Without its secret.',
    response: webhookSchema,
    errors: { 404: UNKNOWN },
  })
  get(@Param({ schema: identifierParamsSchema }) { id }: IdentifierParams): Promise<Webhook> {
    return this.webhooks.get(id);
  }

  @Patch(':id')
  @RequireRole('admin')
  @Endpoint({
    summary: 'Change, disable or enable a webhook',
    description:
      'What is not named stays as it is. Pending deliveries go to the new URL; with `{"enabled": false}` they are canceled. Attempts that were put off because the endpoint failed are due at their own time again.',
    response: webhookSchema,
    errors: { 404: UNKNOWN, 409: 'Another webhook has the name.' },
  })
  update(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Body({ schema: webhookUpdateSchema }) body: WebhookUpdate,
    @CurrentActor() actor: Actor,
  ): Promise<Webhook> {
    return this.webhooks.update(id, body, actor);
  }

  @Delete(':id')
  @RequireRole('admin')
  @Endpoint({
    summary: 'Delete a webhook',
    description: 'Its deliveries and their log go with it.',
    errors: { 404: UNKNOWN },
  })
  delete(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @CurrentActor() actor: Actor,
  ): Promise<void> {
    return this.webhooks.delete(id, actor);
  }

  @Post(':id/rotate-secret')
  @RequireRole('admin')
  @Endpoint({
    summary: 'Give a webhook a new secret',
    description:
      'For 24 hours the earlier secret goes on signing beside the new one: both signatures are sent, and a receiver accepts a request if one of them is right.',
    response: webhookCreatedSchema,
    status: 201,
    errors: { 404: UNKNOWN },
  })
  rotateSecret(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @CurrentActor() actor: Actor,
  ): Promise<WebhookCreated> {
    return this.webhooks.rotateSecret(id, actor);
  }
}
