import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import {
  type MissedRecords,
  missedRecordsSchema,
  type SessionEvent,
  type StreamDenied,
  sessionEndSchema,
  type TraceSession,
  traceSessionSchema,
} from '@synscope/api-contract';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { WakeUp } from '../lifecycle/wake-up.js';
import type { Snapshot } from '../stored-batches/snapshot.js';
import { endedEverywhere } from '../trace-sessions/session-waiting.js';
import type { BatchRecords } from './batch-records.service.js';
import { type EventCursor, encodeEventCursor } from './event-cursor.js';
import type { Look, SessionWatcher } from './session-watch.js';
import type { BatchPage, StoredBatch, StoredBatchStore } from './stored-batch.store.js';

/** Proxies cut what is silent for a minute or less. Milliseconds. */
const HEARTBEAT_INTERVAL_MS = 15_000;
/** Between two attempts while the database is away. Milliseconds. */
const RETRY_INTERVAL_MS = 500;
/** How long a client waits before it connects again after the stream broke off, milliseconds. */
const RECONNECT_MS = 2_000;

/** What is read for a reader at a time, and what is only counted. */
const PAGE = { records: 2_000, batches: 500 };
const COUNTED_PAGE = { records: 200_000, batches: 5_000 };
/** Records that are written at a time. */
const WRITTEN_RECORDS = 100;

const DENIED: StreamDenied = {
  code: 'unauthenticated',
  detail: 'The token has expired or was deleted; go on after the last event with another one',
};

export interface EventStreamOptions {
  /** The session as it was when the stream was asked for. */
  readonly session: TraceSession;
  /** Where to begin; null for the first look. */
  readonly begin: EventCursor | null;
  /** Records that may wait for the reader. */
  readonly backlog: number;
  readonly batches: StoredBatchStore;
  readonly records: BatchRecords;
  readonly reader: () => Promise<ReaderState>;
}

/** Of a reader that takes nothing any more, or has left; and of one whose token works no more. */
export type ReaderState = 'reads' | 'gone' | 'denied';

/**
 * What one reader of live results gets, as text. Nothing is read from the database before the reader has taken what was read before: what
 * waits for it waits in the tables. Each record comes exactly once, also over several streams that resume one another: a stream stands
 * at a snapshot of the database, and goes on with exactly what was committed after it.
 */
export class SessionEventStream implements SessionWatcher {
  readonly sessionId: string;
  readonly #options: EventStreamOptions;
  readonly #closed = new AbortController();
  readonly #wake = new WakeUp();
  #seen: Snapshot | null;
  #resumed: EventCursor['page'];
  #snapshot: Snapshot | null = null;
  #session: TraceSession;
  /** Something may have been stored between `#seen` and `#snapshot`. */
  #behind = true;
  #reading = false;
  #denied = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    this.#session = options.session;
    this.sessionId = options.session.id;
    this.#seen = options.begin?.seen ?? null;
    this.#resumed = options.begin?.page ?? null;
  }

  /** Aborted when the stream is over, whoever ended it. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    this.#closed.abort();
    this.#wake.up();
  }

  looked({ snapshot, stored, session }: Look): void {
    if (this.#seen === null) {
      this.#seen = snapshot;
      this.#behind = false;
    } else if (stored || this.#snapshot === null) this.#behind = true;
    this.#snapshot = snapshot;
    if (!this.#behind && !this.#reading) this.#seen = snapshot;
    if (session) this.#session = session;
    if (this.#behind || session) this.#wake.up();
  }

  async checkReader(): Promise<void> {
    const state = await this.#options
      .reader()
      .catch((error: unknown) => (isDatabaseUnavailable(error) ? 'reads' : 'gone'));
    // One that does not take the last event either is not waited for.
    if (state === 'gone' || this.#denied) this.close();
    if (state !== 'denied') return;
    this.#denied = true;
    this.#wake.up();
  }

  async *text(): AsyncGenerator<string, void, undefined> {
    yield `retry: ${RECONNECT_MS}\n\n`;
    let told = '';
    while (!this.#closed.signal.aborted) {
      if (this.#denied) {
        if (this.#seen) yield this.#event('denied', JSON.stringify(DENIED));
        return;
      }
      const session = JSON.stringify(traceSessionSchema.parse(this.#session));
      // A stream that begins now does not know where it stands before the first look.
      if (session !== told && this.#seen) {
        told = session;
        yield this.#event('session', session);
      } else if (this.#behind && this.#snapshot) {
        yield* this.#readUntil(this.#snapshot);
      } else if (this.#snapshot && endedEverywhere(this.#session)) {
        yield this.#event('end', JSON.stringify(sessionEndSchema.parse({ state: this.#session.state })));
        return;
      } else if (!(await this.#wake.wait(HEARTBEAT_INTERVAL_MS)) && this.#seen) {
        // An id without an event: whoever resumes need not look through what was stored for others.
        yield `: heartbeat\nid: ${this.#id()}\n\n`;
      }
    }
  }

  async *#readUntil(target: Snapshot): AsyncGenerator<string, void, undefined> {
    this.#behind = false;
    this.#reading = true;
    let mayLeaveOut = true;
    for (let more = true; more && this.#seen && !this.#isOver; ) {
      const seen = this.#seen;
      const resumed = this.#resumed !== null;
      const page = await this.#nextPage(seen, target);
      if (!page) return;
      if (page.more && !resumed && mayLeaveOut) {
        mayLeaveOut = false;
        const missed = await this.#leaveOut(seen, target);
        if (missed) yield this.#event('missed', JSON.stringify(missed));
        if (this.#seen !== seen) continue;
      }
      yield* this.#recordsOf(page, seen);
      if (this.#isOver) return;
      this.#seen = page.end;
      more = page.more;
    }
    if (this.#isOver) return;
    this.#reading = false;
    // What was committed since the target was not for this session.
    if (!this.#behind) this.#seen = this.#snapshot;
  }

  /** The page in which the stream before this one broke off comes first, as it was then. */
  #nextPage(seen: Snapshot, target: Snapshot): Promise<BatchPage | null> {
    const { batches } = this.#options;
    const { sessionId } = this;
    const end = this.#resumed?.end;
    return this.#patiently(() =>
      end ? batches.pageUntil(sessionId, seen, end) : batches.page(sessionId, seen, target, PAGE),
    );
  }

  async *#recordsOf({ batches, end }: BatchPage, seen: Snapshot): AsyncGenerator<string, void, undefined> {
    const before = this.#resumed?.sent ?? 0;
    this.#resumed = null;
    let sent = 0;
    for await (const { event, records } of this.#chunksOf(batches)) {
      for (let at = 0; at < records.length; at += WRITTEN_RECORDS) {
        let text = '';
        for (const record of records.slice(at, at + WRITTEN_RECORDS)) {
          sent++;
          if (sent <= before) continue;
          const id = encodeEventCursor(this.sessionId, { seen, page: { end, sent } });
          text += eventText(event, id, record.json());
        }
        if (text !== '') yield text;
        // A reader that takes whatever comes must not keep others, above all ingest, from the process.
        await setImmediate();
        if (this.#isOver) {
          // Where whoever resumes goes on.
          this.#resumed = { end, sent };
          return;
        }
      }
    }
  }

  /** Begins again from where it was when the database comes back. */
  async *#chunksOf(batches: readonly StoredBatch[]) {
    let done = 0;
    for (;;) {
      try {
        let at = 0;
        for await (const chunk of this.#options.records.of(
          { id: this.sessionId, probes: this.#session.spec.probes },
          batches,
        )) {
          if (at++ < done) continue;
          done++;
          yield chunk;
        }
        return;
      } catch (error) {
        if (!isDatabaseUnavailable(error)) throw error;
        if (!(await this.#pause())) return;
      }
    }
  }

  /** Passes over what is too much, and says how much that was; null if it is not. */
  async #leaveOut(seen: Snapshot, target: Snapshot): Promise<MissedRecords | null> {
    const { batches, backlog } = this.#options;
    const limits = { backlog, kept: Math.floor(backlog / 10) };
    const until = await this.#patiently(() => batches.tooFarBehind(this.sessionId, seen, target, limits));
    if (!until) return null;
    let records = 0;
    let since: string | null = null;
    let last: string | null = null;
    for (let from = seen, more = true; more; ) {
      const page = await this.#patiently(() => batches.page(this.sessionId, from, until, COUNTED_PAGE));
      if (!page || this.#closed.signal.aborted) return null;
      const session = { id: this.sessionId, probes: this.#session.spec.probes };
      records += (await this.#patiently(() => this.#options.records.count(session, page.batches))) ?? 0;
      for (const { firstObservedAt, lastObservedAt } of page.batches) {
        if (since === null || firstObservedAt < since) since = firstObservedAt;
        if (last === null || lastObservedAt > last) last = lastObservedAt;
      }
      from = page.end;
      more = page.more;
    }
    this.#seen = until;
    if (records === 0 || since === null || last === null) return null;
    return missedRecordsSchema.parse({ reason: 'too_far_behind', records, since, until: last });
  }

  /** Null if the stream was closed before the database answered. */
  async #patiently<T>(work: () => Promise<T>): Promise<T | null> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isDatabaseUnavailable(error)) throw error;
        if (!(await this.#pause())) return null;
      }
    }
  }

  /** False if the stream was closed meanwhile. */
  async #pause(): Promise<boolean> {
    await delay(RETRY_INTERVAL_MS, undefined, { signal: this.#closed.signal }).catch(() => undefined);
    return !this.#closed.signal.aborted;
  }

  get #isOver(): boolean {
    return this.#closed.signal.aborted || this.#denied;
  }

  #id(): string {
    if (!this.#seen) throw new Error('the stream does not know yet where it stands');
    return encodeEventCursor(this.sessionId, { seen: this.#seen, page: this.#resumed });
  }

  #event(event: SessionEvent['event'], json: string): string {
    return eventText(event, this.#id(), json);
  }
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html. JSON has no line breaks. */
function eventText(event: SessionEvent['event'], id: string, json: string): string {
  return `event: ${event}\nid: ${id}\ndata: ${json}\n\n`;
}
