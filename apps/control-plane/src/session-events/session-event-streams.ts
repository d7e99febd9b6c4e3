import { Injectable } from '@nestjs/common';
import type { TraceSession } from '@synscope/api-contract';
import { Configuration } from '../config/configuration.js';
import { BatchRecords } from './batch-records.service.js';
import type { EventCursor } from './event-cursor.js';
import { type ReaderState, SessionEventStream } from './session-event-stream.js';
import { SessionWatch } from './session-watch.js';
import { StoredBatchStore } from './stored-batch.store.js';

/** Makes streams, and sees to it that they are looked after for as long as they last. */
@Injectable()
export class SessionEventStreams {
  constructor(
    private readonly batches: StoredBatchStore,
    private readonly records: BatchRecords,
    private readonly watch: SessionWatch,
    private readonly configuration: Configuration,
  ) {}

  /** Throws if there is no room for another one. */
  open(
    session: TraceSession,
    begin: EventCursor | null,
    reader: () => Promise<ReaderState>,
  ): SessionEventStream {
    const stream = new SessionEventStream({
      session,
      begin,
      backlog: this.configuration.eventBacklog,
      batches: this.batches,
      records: this.records,
      reader,
    });
    const leave = this.watch.add(stream);
    stream.closed.addEventListener('abort', leave, { once: true });
    return stream;
  }
}
