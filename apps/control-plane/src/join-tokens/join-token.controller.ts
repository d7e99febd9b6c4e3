import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type IdentifierParams,
  identifierParamsSchema,
  type JoinToken,
  type JoinTokenCreate,
  type JoinTokenCreated,
  type JoinTokenListQuery,
  joinTokenCreatedSchema,
  joinTokenCreateSchema,
  joinTokenListQuerySchema,
  joinTokenListSchema,
  joinTokenSchema,
} from '@synscope/api-contract';
import { type Actor, CurrentActor } from '../access/actor.js';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { JoinTokenService } from './join-token.service.js';

@ApiTags('Fleet')
@Controller('join-tokens')
export class JoinTokenController {
  constructor(private readonly tokens: JoinTokenService) {}

  @Post()
  @RequireRole('admin')
  @Endpoint({
    summary: 'Create a join token',
    description:
      'Agents enrol with it, until it expires or was used `maxUses` times. The token is in this answer only; what is stored is the hash of its secret.',
    response: joinTokenCreatedSchema,
    status: 201,
  })
  create(
    @Body({ schema: joinTokenCreateSchema }) body: JoinTokenCreate,
    @CurrentActor() actor: Actor,
  ): Promise<JoinTokenCreated> {
    return this.tokens.create(body, actor);
  }

  @Get()
  @RequireRole('admin')
  @ListEndpoint({
    summary: 'List join tokens',
    description: 'Newest first, without their secrets. Expired and used-up ones are listed too.',
    item: joinTokenSchema,
    list: joinTokenListSchema,
  })
  list(@Query({ schema: joinTokenListQuerySchema }) query: JoinTokenListQuery): KeysetList<JoinToken> {
    return this.tokens.list(query);
  }

  @Get(':id')
  @RequireRole('admin')
  @Endpoint({
    summary: 'Get a join token',
    description: 'How often it was used, and until when it works.',
    response: joinTokenSchema,
    errors: { 404: 'There is no such token.' },
  })
  get(@Param({ schema: identifierParamsSchema }) { id }: IdentifierParams): Promise<JoinToken> {
    return this.tokens.get(id);
  }

  @Delete(':id')
  @RequireRole('admin')
  @Endpoint({
    summary: 'Delete a join token',
    description:
      'No agent can enrol with it from then on. Agents that have enrolled stay; revoke them one by one.',
    errors: { 404: 'There is no such token.' },
  })
  delete(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @CurrentActor() actor: Actor,
  ): Promise<void> {
    return this.tokens.delete(id, actor);
  }
}
