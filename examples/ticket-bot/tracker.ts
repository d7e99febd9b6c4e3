import type { Finding } from './finding.ts';

/** Where tickets are kept. A ticket's reference is whatever the tracker needs to find it again. */
export interface Tracker {
  open(finding: Finding): Promise<string>;
  update(reference: string, finding: Finding): Promise<void>;
  close(reference: string, finding: Finding): Promise<void>;
  reopen(reference: string, finding: Finding): Promise<void>;
}

/** A tracker that did not take a request. */
export class TrackerError extends Error {
  /** Seconds, if it said when to come again. */
  readonly retryAfter: string | null;

  constructor(message: string, retryAfter: string | null = null) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** A request with JSON. Its answer's body, or a TrackerError. */
export async function call(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(url, {
    method,
    headers: {
      accept: 'application/json',
      'user-agent': 'synscope-ticket-bot',
      ...headers,
      'content-type': 'application/json',
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    // Less than the 15 seconds that Synscope waits for the bot.
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  if (!response.ok)
    throw new TrackerError(
      `${method} ${new URL(url).origin}: ${response.status} ${text.slice(0, 200)}`,
      response.headers.get('retry-after'),
    );
  return text === '' ? {} : JSON.parse(text);
}
