import { formatMicroseconds, resolveTime } from '@synscope/api-contract';
import { invalidField } from '../errors/api-error.js';

/** From `since` (inclusive) until `until` (exclusive), RFC 3339 in UTC; null is unbounded. Values for SQL parameters: planned partitions depend on it. */
export interface TimeWindow {
  readonly since: string | null;
  readonly until: string | null;
}

export interface TimeWindowQuery {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Fixes relative times against one now. Throws a 400 for a window that is empty. */
export function resolveWindow(query: TimeWindowQuery, nowMs: number): TimeWindow {
  const since = query.since === undefined ? null : resolve('since', query.since, nowMs);
  const until = query.until === undefined ? null : resolve('until', query.until, nowMs);
  if (since !== null && until !== null && since >= until)
    throw invalidField('until', 'must be later than since');
  return {
    since: since === null ? null : formatMicroseconds(since),
    until: until === null ? null : formatMicroseconds(until),
  };
}

function resolve(path: string, text: string, nowMs: number): bigint {
  const micros = resolveTime(text, nowMs);
  // The schema has let it through already, unless the route forgot to use it.
  if (micros === null) throw invalidField(path, 'is not a time');
  return micros;
}
