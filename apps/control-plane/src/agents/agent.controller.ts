import { Body, Controller, Delete, Get, Param, Patch, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type Agent,
  type AgentListQuery,
  type AgentUpdate,
  agentListQuerySchema,
  agentListSchema,
  agentSchema,
  agentUpdateSchema,
  type IdentifierParams,
  identifierParamsSchema,
} from '@synscope/api-contract';
import { type Actor, CurrentActor } from '../access/actor.js';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { AgentService } from './agent.service.js';

@ApiTags('Fleet')
@Controller('agents')
export class AgentController {
  constructor(private readonly agents: AgentService) {}

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List agents',
    description:
      'Newest first. `selector` is a label selector as in Kubernetes. The loss of an agent is all that it has ever reported.',
    item: agentSchema,
    list: agentListSchema,
  })
  list(@Query({ schema: agentListQuerySchema }) query: AgentListQuery): KeysetList<Agent> {
    return this.agents.list(query);
  }

  @Get(':id')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Get an agent',
    description: 'What it can measure, what it costs, what it lost. A revoked agent is found too.',
    response: agentSchema,
    errors: { 404: 'There is no such agent.' },
  })
  get(@Param({ schema: identifierParamsSchema }) { id }: IdentifierParams): Promise<Agent> {
    return this.agents.get(id);
  }

  @Patch(':id')
  @RequireRole('admin')
  @Endpoint({
    summary: 'Change an agent’s labels',
    description:
      'Sessions that are open and match the new labels begin on the agent, those that no longer match end there.',
    response: agentSchema,
    errors: { 404: 'There is no such agent, or it was revoked.' },
  })
  update(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Body({ schema: agentUpdateSchema }) body: AgentUpdate,
    @CurrentActor() actor: Actor,
  ): Promise<Agent> {
    return this.agents.update(id, body, actor);
  }

  @Delete(':id')
  @RequireRole('admin')
  @Endpoint({
    summary: 'Revoke an agent',
    description: 'Cuts its stream and refuses its certificate from then on. Its records stay.',
    errors: { 404: 'There is no such agent, or it was revoked already.' },
  })
  revoke(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @CurrentActor() actor: Actor,
  ): Promise<void> {
    return this.agents.revoke(id, actor);
  }
}
