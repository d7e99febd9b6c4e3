import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type IdentifierParams,
  identifierParamsSchema,
  type SessionTarget,
  type SessionTargetListQuery,
  sessionTargetListQuerySchema,
  sessionTargetListSchema,
  sessionTargetSchema,
  type TraceSession,
  type TraceSessionCreate,
  type TraceSessionCreateQuery,
  type TraceSessionDryRun,
  type TraceSessionGetQuery,
  type TraceSessionListQuery,
  traceSessionCreateQuerySchema,
  traceSessionCreateSchema,
  traceSessionCreationSchema,
  traceSessionGetQuerySchema,
  traceSessionListQuerySchema,
  traceSessionListSchema,
  traceSessionSchema,
} from '@synscope/api-contract';
import type { FastifyReply } from 'fastify';
import { type Actor, CurrentActor } from '../access/actor.js';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { SessionTargetList } from './session-target-list.js';
import { TraceSessionService } from './trace-session.service.js';

@ApiTags('Trace sessions')
@Controller('trace-sessions')
export class TraceSessionController {
  constructor(
    private readonly sessions: TraceSessionService,
    private readonly targets: SessionTargetList,
  ) {}

  @Post()
  @RequireRole('operator')
  @Endpoint({
    summary: 'Start a trace session',
    description:
      'Begins on every agent that the selector matches, and on those that join while it is open; with `targets` on some of those that match when it is created. It ends by itself after `durationSeconds`. With `dryRun` nothing begins, and the answer (200) names the agents that would be matched.',
    response: traceSessionCreationSchema,
    status: 201,
    errors: {
      429: 'As many sessions are open as SYNSCOPE_MAX_OPEN_SESSIONS allows.',
      409: 'An agent that matches runs as many sessions as it can; or the Idempotency-Key was used for another request.',
    },
  })
  async create(
    @Body({ schema: traceSessionCreateSchema }) body: TraceSessionCreate,
    @Query({ schema: traceSessionCreateQuerySchema }) { wait = 0, dryRun }: TraceSessionCreateQuery,
    @CurrentActor() actor: Actor,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TraceSession | TraceSessionDryRun> {
    if (!dryRun) return this.sessions.create(body, wait, actor);
    reply.status(200);
    return this.sessions.dryRun(body);
  }

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List trace sessions',
    description: 'Newest first, with the counts of their agents.',
    item: traceSessionSchema,
    list: traceSessionListSchema,
  })
  list(
    @Query({ schema: traceSessionListQuerySchema }) query: TraceSessionListQuery,
  ): KeysetList<TraceSession> {
    return this.sessions.list(query);
  }

  @Get(':id')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Get a trace session',
    description: 'With `wait`, answers once the session has ended and its records have arrived.',
    response: traceSessionSchema,
    errors: { 404: 'There is no such session.' },
  })
  get(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Query({ schema: traceSessionGetQuerySchema }) { wait = 0 }: TraceSessionGetQuery,
  ): Promise<TraceSession> {
    return this.sessions.get(id, wait);
  }

  @Get(':id/targets')
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List the agents of a trace session',
    description: 'What each agent makes of it: its state, the hooks of its probe, its error, its records.',
    item: sessionTargetSchema,
    list: sessionTargetListSchema,
    errors: { 404: 'There is no such session.' },
  })
  listTargets(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Query({ schema: sessionTargetListQuerySchema }) query: SessionTargetListQuery,
  ): Promise<KeysetList<SessionTarget>> {
    return this.targets.of(id, query);
  }

  @Post(':id/stop')
  @RequireRole('operator')
  @Endpoint({
    summary: 'Stop a trace session',
    description:
      'Ends it on every agent. A session that has ended already stays as it is. With `wait`, answers once it has ended on every agent that is online and its records have arrived.',
    response: traceSessionSchema,
    errors: { 404: 'There is no such session.' },
  })
  stop(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Query({ schema: traceSessionGetQuerySchema }) { wait = 0 }: TraceSessionGetQuery,
    @CurrentActor() actor: Actor,
  ): Promise<TraceSession> {
    return this.sessions.stop(id, wait, actor);
  }
}
