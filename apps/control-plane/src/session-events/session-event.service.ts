import type { StreamableFile } from '@nestjs/common';
import { Injectable } from '@nestjs/common';
import type { SessionEventsQuery, TraceSession } from '@synscope/api-contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiTokenService } from '../access/api-token.service.js';
import { bearerTokenOf } from '../access/bearer-token.js';
import { Configuration } from '../config/configuration.js';
import { notFound } from '../errors/api-error.js';
import { SessionControl } from '../trace-sessions/session-control.js';
import { BatchRecords } from './batch-records.service.js';
import { decodeEventCursor, type EventCursor } from './event-cursor.js';
import { readerWatch, respondWith } from './event-stream-response.js';
import { eventOfAnotherDatabase, eventOfAnotherSession, notAnEventId } from './session-event.errors.js';
import { SessionEventStream } from './session-event-stream.js';
import { SessionWatch } from './session-watch.js';
import { StoredBatchStore } from './stored-batch.store.js';

@Injectable()
export class SessionEventService {
  constructor(
    private readonly sessions: SessionControl,
    private readonly batches: StoredBatchStore,
    private readonly records: BatchRecords,
    private readonly watch: SessionWatch,
    private readonly tokens: ApiTokenService,
    private readonly configuration: Configuration,
  ) {}

  async open(
    id: string,
    query: SessionEventsQuery,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<StreamableFile> {
    this.watch.checkRoom();
    const session = (await this.sessions.find([id])).get(id);
    if (!session) throw notFound('trace session', id);
    const begin = await this.beginOf(session, query, request.headers['last-event-id']);
    const reads = readerWatch(reply);
    const stream = new SessionEventStream({
      session,
      begin,
      backlog: this.configuration.eventBacklog,
      batches: this.batches,
      records: this.records,
      readerIsThere: async () => reads() && (await this.mayRead(request)),
    });
    const leave = this.watch.add(stream);
    stream.closed.addEventListener('abort', leave, { once: true });
    return respondWith(stream, request, reply);
  }

  private async beginOf(
    session: TraceSession,
    query: SessionEventsQuery,
    header: string | string[] | undefined,
  ): Promise<EventCursor | null> {
    // A browser that connects again sends the header, and the address that it was given first.
    const path = header === undefined ? 'lastEventId' : 'Last-Event-ID';
    const lastEventId = header === undefined ? query.lastEventId : String(header);
    // An empty header is what clients send that have seen no event.
    if (lastEventId) {
      const cursor = decodeEventCursor(session.id, lastEventId);
      if (cursor === null) throw notAnEventId(path);
      if (cursor === 'another session') throw eventOfAnotherSession(path);
      const { next } = await this.batches.snapshot();
      if (Math.max(cursor.seen.next, cursor.page?.end.next ?? 0) > next) throw eventOfAnotherDatabase(path);
      return cursor;
    }
    if (query.from === 'now') return null;
    const seen = await this.batches.beginOf(session.id);
    return seen && { seen, page: null };
  }

  /** A token may expire or be deleted while its stream is open. */
  private async mayRead(request: FastifyRequest): Promise<boolean> {
    const secret = bearerTokenOf(request);
    return secret !== undefined && (await this.tokens.authenticate(secret)) !== null;
  }
}
