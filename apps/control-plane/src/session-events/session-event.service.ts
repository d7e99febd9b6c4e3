import { Injectable, type StreamableFile } from '@nestjs/common';
import type { SessionEventsQuery } from '@synscope/api-contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiTokenService } from '../access/api-token.service.js';
import { bearerTokenOf } from '../access/bearer-token.js';
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
    private readonly tokens: ApiTokenService,
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
    const stream = this.streams.open(session, begin, async () => reads() && (await this.mayRead(request)));
    return respondWith(stream, request, reply);
  }

  /** A token may expire or be deleted while its stream is open. */
  private async mayRead(request: FastifyRequest): Promise<boolean> {
    const secret = bearerTokenOf(request);
    return secret !== undefined && (await this.tokens.authenticate(secret)) !== null;
  }
}
