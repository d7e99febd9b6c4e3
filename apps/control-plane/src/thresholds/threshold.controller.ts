import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type IdentifierParams,
  identifierParamsSchema,
  type Threshold,
  type ThresholdCreate,
  type ThresholdListQuery,
  type ThresholdUpdate,
  thresholdCreateSchema,
  thresholdListQuerySchema,
  thresholdListSchema,
  thresholdSchema,
  thresholdUpdateSchema,
} from '@synscope/api-contract';
import { type Actor, CurrentActor } from '../access/actor.js';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { ThresholdService } from './threshold.service.js';

const UNKNOWN = 'There is no such threshold.';

@ApiTags('Thresholds')
@Controller('thresholds')
export class ThresholdController {
  constructor(private readonly thresholds: ThresholdService) {}

  @Post()
  @RequireRole('operator')
  @Endpoint({
    summary: 'Create a threshold',
    description:
      'Each minute the records of the one before are looked at, 20 seconds after its end. After `forMinutes` minutes above in a row the event `threshold.exceeded` is sent to webhooks, once; again only when it was below in between. It measures what trace sessions record: one with `minLatencyMs` records slow handshakes only.',
    response: thresholdSchema,
    status: 201,
    errors: {
      409: 'Another threshold has the name, or there are 100; or the Idempotency-Key was used for another request.',
    },
  })
  create(
    @Body({ schema: thresholdCreateSchema }) body: ThresholdCreate,
    @CurrentActor() actor: Actor,
  ): Promise<Threshold> {
    return this.thresholds.create(body, actor);
  }

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List thresholds',
    description: 'Newest first, each with its state and its last value.',
    item: thresholdSchema,
    list: thresholdListSchema,
  })
  list(@Query({ schema: thresholdListQuerySchema }) query: ThresholdListQuery): KeysetList<Threshold> {
    return this.thresholds.list(query);
  }

  @Get(':id')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Get a threshold',
    description: 'With its state and its last value.',
    response: thresholdSchema,
    errors: { 404: UNKNOWN },
  })
  get(@Param({ schema: identifierParamsSchema }) { id }: IdentifierParams): Promise<Threshold> {
    return this.thresholds.get(id);
  }

  @Patch(':id')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Change, disable or enable a threshold',
    description: 'It begins anew with its new settings: `ok`, and no minute above.',
    response: thresholdSchema,
    errors: { 404: UNKNOWN, 409: 'Another threshold has the name.' },
  })
  update(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Body({ schema: thresholdUpdateSchema }) body: ThresholdUpdate,
    @CurrentActor() actor: Actor,
  ): Promise<Threshold> {
    return this.thresholds.update(id, body, actor);
  }

  @Delete(':id')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Delete a threshold',
    description: 'Events that it has sent stay in the logs of webhooks.',
    errors: { 404: UNKNOWN },
  })
  delete(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @CurrentActor() actor: Actor,
  ): Promise<void> {
    return this.thresholds.delete(id, actor);
  }
}
