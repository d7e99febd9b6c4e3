import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type Finding,
  type FindingChange,
  type FindingListQuery,
  findingChangeSchema,
  findingListQuerySchema,
  findingListSchema,
  findingSchema,
  type IdentifierParams,
  identifierParamsSchema,
} from '@synscope/api-contract';
import { type Actor, CurrentActor } from '../access/actor.js';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { FindingService } from './finding.service.js';

const UNKNOWN = 'There is no such finding.';

@ApiTags('Findings')
@Controller('findings')
export class FindingController {
  constructor(private readonly findings: FindingService) {}

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List findings',
    description:
      'Why handshakes and DNS were slow or failed, with the evidence. The latest that opened for the first time comes first. Judged from what sessions have recorded, some seconds after it arrived; without a session nothing is found. Resolved ones are kept for 90 days.',
    item: findingSchema,
    list: findingListSchema,
  })
  list(@Query({ schema: findingListQuerySchema }) query: FindingListQuery): KeysetList<Finding> {
    return this.findings.list(query);
  }

  @Get(':id')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Get a finding',
    description: 'As it stands now.',
    response: findingSchema,
    errors: { 404: UNKNOWN },
  })
  get(@Param({ schema: identifierParamsSchema }) { id }: IdentifierParams): Promise<Finding> {
    return this.findings.get(id);
  }

  @Post(':id/acknowledge')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Acknowledge a finding',
    description:
      'Somebody, or a bot, is at it. It stays so while evidence comes, and resolves by itself like any other. Doing it again changes nothing.',
    response: findingSchema,
    errors: { 404: UNKNOWN, 409: 'It is resolved.' },
  })
  acknowledge(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Body({ schema: findingChangeSchema }) body: FindingChange,
    @CurrentActor() actor: Actor,
  ): Promise<Finding> {
    return this.findings.acknowledge(id, body, actor);
  }

  @Post(':id/resolve')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Resolve a finding',
    description: 'Evidence that arrives afterwards opens it again. Doing it again changes nothing.',
    response: findingSchema,
    errors: { 404: UNKNOWN },
  })
  resolve(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Body({ schema: findingChangeSchema }) body: FindingChange,
    @CurrentActor() actor: Actor,
  ): Promise<Finding> {
    return this.findings.resolve(id, body, actor);
  }
}
