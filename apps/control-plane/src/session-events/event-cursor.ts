import { createHash } from 'node:crypto';
import type { Snapshot } from '../stored-batches/snapshot.js';

/** Where a reader stands: everything that is in `seen`, and of what was committed from there until `page.end` the first `sent` records. */
export interface EventCursor {
  readonly seen: Snapshot;
  readonly page: { readonly end: Snapshot; readonly sent: number } | null;
}

/** The most that Postgres can have running, many times over. */
const MOST_RUNNING = 2_000;

/**
 * The `id:` of an event: `session.snapshot` or `session.snapshot.snapshot.sent`. The first part stands for the session; a snapshot is
 * its `next`, then for each running transaction how far below that it is. Numbers have base 36.
 */
export function encodeEventCursor(sessionId: string, { seen, page }: EventCursor): string {
  const parts = [mark(sessionId), encodeSnapshot(seen)];
  if (page) parts.push(encodeSnapshot(page.end), page.sent.toString(36));
  return parts.join('.');
}

/** Null for whatever is not the id of an event; `another session` for what is one elsewhere. */
export function decodeEventCursor(sessionId: string, text: string): EventCursor | 'another session' | null {
  const [session = '', seenText = '', endText, sentText, ...more] = text.split('.');
  const seen = decodeSnapshot(seenText);
  if (!/^[\w-]{8}$/.test(session) || seen === null || more.length > 0) return null;
  const page = endText === undefined ? null : decodePage(endText, sentText ?? '');
  if (endText !== undefined && page === null) return null;
  if (page && page.end.next < seen.next) return null;
  return session === mark(sessionId) ? { seen, page } : 'another session';
}

function decodePage(endText: string, sentText: string): EventCursor['page'] {
  const end = decodeSnapshot(endText);
  const sent = decodeNumber(sentText);
  return end === null || sent === null ? null : { end, sent };
}

function mark(sessionId: string): string {
  return createHash('sha256').update(sessionId).digest('base64url').slice(0, 8);
}

function encodeSnapshot({ next, running }: Snapshot): string {
  return [next, ...running.map((number) => next - number)].map((number) => number.toString(36)).join('-');
}

function decodeSnapshot(text: string): Snapshot | null {
  const [next, ...distances] = text.split('-').map(decodeNumber);
  if (next === undefined || next === null || distances.length > MOST_RUNNING) return null;
  const running: number[] = [];
  for (const distance of distances) {
    if (distance === null || distance === 0 || distance > next) return null;
    running.push(next - distance);
  }
  const ascending = running.every((number, index) => index === 0 || number > (running[index - 1] as number));
  return ascending ? { next, running } : null;
}

function decodeNumber(text: string): number | null {
  const number = /^[0-9a-z]{1,11}$/.test(text) ? Number.parseInt(text, 36) : Number.NaN;
  return Number.isSafeInteger(number) ? number : null;
}
