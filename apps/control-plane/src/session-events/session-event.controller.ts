import { Controller, Get, Param, Query, Req, Res, type StreamableFile } from '@nestjs/common';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import {
  type IdentifierParams,
  identifierParamsSchema,
  type SessionEventsQuery,
  sessionEventSchema,
  sessionEventsQuerySchema,
} from '@synscope/api-contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequireRole } from '../access/require-role.js';
import { EventStreamEndpoint } from '../http/endpoint.js';
import { SessionEventService } from './session-event.service.js';

@ApiTags('Trace sessions')
@Controller('trace-sessions')
export class SessionEventController {
  constructor(private readonly events: SessionEventService) {}

  @Get(':id/events')
  @RequireRole('viewer')
  @EventStreamEndpoint({
    summary: 'Watch a trace session',
    description:
      'Server-Sent Events: each record of the session as soon as it is stored, by whichever replica, and the session itself whenever its state or its targets change. A record is the item of the list of its kind. After `end` the stream closes; close it too, since a browser would connect again. Each record comes once, also over several streams of which each goes on after the last event of the one before (`Last-Event-ID`), at any replica. Records come about in the order in which they were stored, not observed. The stream waits for a slow reader; when too much waits, the oldest is left out and `missed` says how much. A comment comes about every 15 s when nothing else does. `denied` comes last when the token has expired or was deleted. A stream that breaks off without either (a restart, a reader that took nothing for a minute) is to be resumed.',
    event: sessionEventSchema,
    errors: {
      404: 'There is no such session.',
      429: 'The replica serves as many streams as it may; `Retry-After` says when to ask again.',
    },
  })
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description: 'The `id:` of the last event that was received: the stream goes on after it.',
    schema: { type: 'string' },
  })
  watch(
    @Param({ schema: identifierParamsSchema }) { id }: IdentifierParams,
    @Query({ schema: sessionEventsQuerySchema }) query: SessionEventsQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    return this.events.open(id, query, request, reply);
  }
}
