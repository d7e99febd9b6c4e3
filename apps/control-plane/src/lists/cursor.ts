import { createHash } from 'node:crypto';
import { timestampSchema } from '@synscope/api-contract';
import { z } from 'zod';
import { invalidField } from '../errors/api-error.js';
import type { TimeWindow } from './time-window.js';

/** The key of the last item that was handed out. */
export type Position = readonly (string | number | null)[];

export interface CursorState<P extends Position> {
  readonly after: P;
  /** Fixed by the first page, so that `since=1h` means the same hour on every page. */
  readonly window: TimeWindow;
}

const nullableTime = timestampSchema.nullable();

/** Stands for the list and its filters; the cursor of one query does not fit another. */
export function queryFingerprint(listName: string, query: Readonly<Record<string, unknown>>): string {
  const { limit: _limit, cursor: _cursor, ...filters } = query;
  return createHash('sha256')
    .update(`${listName}\n${canonicalJson(filters)}`)
    .digest('base64url')
    .slice(0, 16);
}

export function encodeCursor(fingerprint: string, { after, window }: CursorState<Position>): string {
  return Buffer.from(JSON.stringify([fingerprint, after, window.since, window.until])).toString('base64url');
}

/** Throws a 400 that names `cursor` for whatever was not made by {@link encodeCursor} for the same query. */
export function decodeCursor<P extends Position>(
  cursor: string,
  fingerprint: string,
  position: z.ZodType<P>,
): CursorState<P> {
  const schema = z.tuple([z.string(), position, nullableTime, nullableTime]);
  const parsed = schema.safeParse(parseJson(Buffer.from(cursor, 'base64url').toString('utf8')));
  if (!parsed.success)
    throw invalidField(
      'cursor',
      'is not a cursor of this list; pass nextCursor of the page before unchanged',
    );
  const [made, after, since, until] = parsed.data;
  if (made !== fingerprint) {
    throw invalidField(
      'cursor',
      'belongs to another query; repeat the filters and the order of the first page, or leave cursor out',
    );
  }
  return { after, window: { since, until } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** JSON with the keys of every object in order, so that equal values have equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
}
