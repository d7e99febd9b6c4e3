import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type ApiToken,
  type ApiTokenCreate,
  type ApiTokenCreated,
  type ApiTokenListQuery,
  apiTokenCreatedSchema,
  apiTokenCreateSchema,
  apiTokenListQuerySchema,
  apiTokenListSchema,
  apiTokenSchema,
  type IdentifierParams,
  identifierParamsSchema,
} from '@synscope/api-contract';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { type Actor, CurrentActor } from './actor.js';
import { ApiTokenService } from './api-token.service.js';
import { RequireRole } from './require-role.js';

@ApiTags('Access')
@Controller('api-tokens')
export class ApiTokenController {
  constructor(private readonly tokens: ApiTokenService) {}

  @Post()
  @RequireRole('admin')
  @Endpoint({
    summary: 'Create an API token',
    description:
      'The secret is in this answer only; what is stored is its hash. A token may not outlive the one that makes it: 403.',
    response: apiTokenCreatedSchema,
    status: 201,
  })
  create(
    @Body({ schema: apiTokenCreateSchema }) body: ApiTokenCreate,
    @CurrentActor() actor: Actor,
  ): Promise<ApiTokenCreated> {
    return this.tokens.create(body, actor);
  }

  @Get()
  @RequireRole('admin')
  @ListEndpoint({
    summary: 'List API tokens',
    description: 'Newest first, without their secrets. Expired ones are listed too.',
    item: apiTokenSchema,
    list: apiTokenListSchema,
  })
  list(@Query({ schema: apiTokenListQuerySchema }) query: ApiTokenListQuery): KeysetList<ApiToken> {
    return this.tokens.list(query);
  }

  @Delete(':id')
  @RequireRole('admin')
  @Endpoint({
    summary: 'Delete an API token',
    description: 'Requests with it are refused from then on.',
    errors: { 404: 'There is no such token.', 409: 'It is the last admin token that works.' },
  })
  delete(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @CurrentActor() actor: Actor,
  ): Promise<void> {
    return this.tokens.delete(id, actor);
  }
}
