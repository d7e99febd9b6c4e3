import type { OutboundAnswer } from './outbound/outbound-http.js';
import { OutboundRefusedError } from './outbound/outbound-refused.error.js';
import { readRetryAfter } from './retry-schedule.js';

/** What became of one attempt. */
export interface AttemptOutcome {
  /** `gone`: the endpoint wants nothing any more (410). */
  readonly verdict: 'delivered' | 'failed' | 'gone';
  readonly status: number | null;
  readonly latencyUs: number | null;
  /** For people; null for a success. */
  readonly error: string | null;
  /** The begin of the body of what was no success. */
  readonly response: string | null;
  readonly retryAfterMs: number | null;
}

const LONGEST_ERROR = 500;

export function answered(answer: OutboundAnswer, nowMs: number): AttemptOutcome {
  const { status, latencyUs } = answer;
  if (status >= 200 && status < 300)
    return { verdict: 'delivered', status, latencyUs, error: null, response: null, retryAfterMs: null };
  return {
    verdict: status === 410 ? 'gone' : 'failed',
    status,
    latencyUs,
    error: cut(errorOf(answer)),
    response: storable(answer.body.toString('utf8')),
    retryAfterMs: readRetryAfter(answer.retryAfter, answer.date, nowMs),
  };
}

export function unanswered(error: unknown, latencyUs: number, timeoutSeconds: number): AttemptOutcome {
  return {
    verdict: 'failed',
    status: null,
    latencyUs,
    error: cut(reasonOf(error, timeoutSeconds)),
    response: null,
    retryAfterMs: null,
  };
}

function errorOf({ status, location }: OutboundAnswer): string {
  if (status === 410) return 'answered 410: the endpoint is gone, so the webhook was disabled';
  if (status < 300 || status >= 400) return `answered ${status}`;
  const target = location === undefined ? '' : ` (it leads to ${location})`;
  return `answered ${status}${target}: redirects are not followed; set the webhook’s url to where it shall go`;
}

function reasonOf(error: unknown, timeoutSeconds: number): string {
  if (error instanceof OutboundRefusedError) return `not sent: ${error.message}`;
  if (!(error instanceof Error)) return 'no answer';
  if (error.name === 'TimeoutError' || error.name === 'AbortError')
    return `no answer within ${timeoutSeconds} s (SYNSCOPE_WEBHOOK_TIMEOUT)`;
  // Several addresses were tried, and none could be connected to.
  const cause = error instanceof AggregateError ? (error.errors[0] ?? error) : error;
  return `no answer: ${cause instanceof Error ? cause.message : String(cause)}`;
}

function cut(text: string): string {
  const stored = storable(text);
  return stored.length > LONGEST_ERROR ? `${stored.slice(0, LONGEST_ERROR - 1)}…` : stored;
}

/** Postgres holds no U+0000 in a text. */
function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed();
}
