import { Injectable } from '@nestjs/common';
import type { SessionEventsQuery } from '@synscope/api-contract';
import { decodeEventCursor, type EventCursor } from './event-cursor.js';
import { eventOfAnotherDatabase, eventOfAnotherSession, notAnEventId } from './session-event.errors.js';
import { StoredBatchStore } from './stored-batch.store.js';

/** Where a stream begins. */
@Injectable()
export class EventStreamBegin {
  constructor(private readonly batches: StoredBatchStore) {}

  /** Null for now. `header` is `Last-Event-ID`. */
  async of(
    sessionId: string,
    { lastEventId, from }: SessionEventsQuery,
    header: string | undefined,
  ): Promise<EventCursor | null> {
    // A browser that connects again sends the header, and the address that it was given first.
    if (header) return this.after(sessionId, header, 'Last-Event-ID');
    // An empty header is what a client sends that has seen no event.
    if (lastEventId && header === undefined) return this.after(sessionId, lastEventId, 'lastEventId');
    if (from === 'now') return null;
    const seen = await this.batches.beginOf(sessionId);
    return seen && { seen, page: null };
  }

  private async after(
    sessionId: string,
    eventId: string,
    path: 'Last-Event-ID' | 'lastEventId',
  ): Promise<EventCursor> {
    const cursor = decodeEventCursor(sessionId, eventId);
    if (cursor === null) throw notAnEventId(path);
    if (cursor === 'another session') throw eventOfAnotherSession(path);
    const next = await this.batches.nextTransaction();
    if (Math.max(cursor.seen.next, cursor.page?.end.next ?? 0) > next) throw eventOfAnotherDatabase(path);
    return cursor;
  }
}
