import { Injectable, type StreamableFile } from '@nestjs/common';
import type { SessionEventsQuery } from '@synscope/api-contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ContinuedAccess } from '../access/continued-access.js';
import { notFound } from '../errors/api-error.js';
import { SessionControl } from '../trace-sessions/session-control.js';
import { EventStreamBegin } from './event-stream-begin.js';
import { readerWatch, respondWith } from './event-stream-response.js';
import { SessionEventStreams } from './session-event-streams.js';

@Injectable()
export class SessionEventService {
  constructor(
    private readonly sessions: SessionControl,
    private readonly begins: EventStreamBegin,
    private readonly streams: SessionEventStreams,
    private readonly access: ContinuedAccess,
  ) {}

  async open(
    id: string,
    query: SessionEventsQuery,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<StreamableFile> {
    const session = (await this.sessions.find([id])).get(id);
    if (!session) throw notFound('trace session', id);
    const begin = await this.begins.of(id, query, request.headers['last-event-id']?.toString());
    const reads = readerWatch(reply);
    const stream = this.streams.open(session, begin, async () => {
      if (!reads()) return 'gone';
      // A token may expire or be deleted while its stream is open.
      return (await this.access.isAllowed(request)) ? 'reads' : 'denied';
    });
    return respondWith(stream, request, reply);
  }
}
