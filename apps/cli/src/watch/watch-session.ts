import { setTimeout as delay } from 'node:timers/promises';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { ApiClient } from '../api/api-client.js';
import { CliError } from '../cli-error.js';
import type { CommandRun } from '../command-run.js';
import type { components } from '../gen/openapi.js';

type StreamedEvent = components['schemas']['SessionEvent'];

/** A stream that is denied is a failure. */
export type SessionEvent = Exclude<StreamedEvent, { event: 'denied' }>;

/** A control plane that restarts is back within seconds; after so many vain attempts in a row it is given up. */
const MOST_ATTEMPTS = 10;
const BETWEEN_ATTEMPTS_MS = 1_000;

/** The events of a session until it ends. A stream that breaks off is resumed after the last event. Throws CliError. */
export async function* watchSession(
  run: CommandRun,
  api: ApiClient,
  id: string,
  from: 'start' | 'now',
): AsyncGenerator<SessionEvent> {
  const { interrupted } = run.surroundings;
  let lastEventId: string | undefined;
  let attempts = 0;
  let denied: string | undefined;
  for (;;) {
    try {
      for await (const event of openStream(api, id, from, lastEventId)) {
        attempts = 0;
        lastEventId = event.id;
        if (event.event === 'denied') {
          denied = event.data.detail;
          break;
        }
        yield event;
        if (event.event === 'end') return;
      }
    } catch (error) {
      // Refused, or never reached: that will not mend by itself.
      if (interrupted.aborted || (error instanceof CliError && lastEventId === undefined)) throw error;
      if (error instanceof CliError && error.exitStatus === 2) throw error;
      if (++attempts >= MOST_ATTEMPTS) throw error;
    }
    if (denied !== undefined) throw new CliError(denied);
    await run.note('the stream broke off, and goes on where it was');
    await delay(BETWEEN_ATTEMPTS_MS, undefined, { signal: interrupted });
  }
}

async function* openStream(
  api: ApiClient,
  id: string,
  from: 'start' | 'now',
  lastEventId: string | undefined,
): AsyncGenerator<StreamedEvent> {
  const { data } = await api.operations.GET('/api/v1/trace-sessions/{id}/events', {
    params: {
      path: { id },
      query: { from },
      header: lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId },
    },
    parseAs: 'stream',
  });
  if (!data) return;
  const events = data.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { event, id: eventId, data: json } of events) {
    yield { event, id: eventId, data: JSON.parse(json) } as StreamedEvent;
  }
}
