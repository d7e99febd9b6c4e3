import { DEFAULT_LIMIT, type Loss, MAXIMUM_LIMIT, NO_LOSS } from '@synscope/api-contract';
import type { z } from 'zod';
import { decodeCursor, encodeCursor, type Position, queryFingerprint } from './cursor.js';
import { resolveWindow, type TimeWindow, type TimeWindowQuery } from './time-window.js';

export interface KeysetListQuery extends TimeWindowQuery {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface KeysetRequest<P extends Position> {
  /** Only what comes after this key, in the list's order; null for the start. */
  readonly after: P | null;
  readonly limit: number;
  readonly window: TimeWindow;
}

export interface KeysetListOptions<T, P extends Position> {
  /** Tells the cursors of one list from those of another. */
  readonly name: string;
  /** The query as its schema gave it. `since` and `until`, where the list has them, become the window. */
  readonly query: KeysetListQuery;
  /** What a key looks like; a cursor is checked against it before it reaches SQL. */
  readonly position: z.ZodType<P>;
  /** At most `limit` items, each with its key. */
  readonly fetch: (
    request: KeysetRequest<P>,
  ) => Promise<readonly { readonly item: T; readonly position: Readonly<P> }[]>;
  /** The loss that touches the answer; none if left out. */
  readonly loss?: (window: TimeWindow) => Promise<Loss>;
  /** Milliseconds since the Unix epoch; the present if left out. */
  readonly nowMs?: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
  readonly loss: Loss;
}

/** What a list's handler returns: nothing is read before the format of the answer is known. */
export class KeysetList<T, P extends Position = Position> {
  /** One page. */
  readonly page: () => Promise<Page<T>>;
  /** Everything from the cursor on, `limit` items at most if the query has one, in chunks. */
  readonly chunks: () => AsyncGenerator<readonly T[], void, undefined>;
  readonly loss: () => Promise<Loss>;

  constructor(options: KeysetListOptions<T, P>) {
    const { query, fetch } = options;
    const fingerprint = queryFingerprint(options.name, { ...query });
    const resume =
      query.cursor === undefined ? null : decodeCursor(query.cursor, fingerprint, options.position);
    const window = resume?.window ?? resolveWindow(query, options.nowMs ?? Date.now());
    const start = resume?.after ?? null;

    this.loss = async () => options.loss?.(window) ?? NO_LOSS;
    this.page = async () => {
      const limit = query.limit ?? DEFAULT_LIMIT;
      // One more than asked for tells whether there is a next page.
      const [found, loss] = await Promise.all([
        fetch({ after: start, limit: limit + 1, window }),
        this.loss(),
      ]);
      const shown = found.slice(0, limit);
      const last = shown.at(-1);
      const nextCursor =
        found.length > limit && last ? encodeCursor(fingerprint, { after: last.position, window }) : null;
      return { items: shown.map(({ item }) => item), nextCursor, loss };
    };
    this.chunks = async function* () {
      let after = start;
      let remaining = query.limit ?? Number.POSITIVE_INFINITY;
      while (remaining > 0) {
        const limit = Math.min(MAXIMUM_LIMIT, remaining);
        const found = await fetch({ after, limit, window });
        if (found.length > 0) yield found.map(({ item }) => item);
        const last = found.at(-1);
        if (!last || found.length < limit) return;
        after = last.position;
        remaining -= found.length;
      }
    };
  }
}
