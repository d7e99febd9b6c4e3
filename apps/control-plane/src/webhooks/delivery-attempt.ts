import { Injectable } from '@nestjs/common';
import { formatDate } from '@synscope/api-contract';
import { Configuration } from '../config/configuration.js';
import { type AttemptOutcome, answered, unanswered } from './attempt-outcome.js';
import type { DueAttempt } from './delivery-queue.store.js';
import { OutboundHttp } from './outbound/outbound-http.js';
import { signatureHeader } from './webhook-signature.js';

/** One request to a webhook, signed. */
@Injectable()
export class DeliveryAttempt {
  constructor(
    private readonly http: OutboundHttp,
    private readonly configuration: Configuration,
  ) {}

  /** Null if `shutdown` broke it off. */
  async make(attempt: DueAttempt, shutdown: AbortSignal): Promise<AttemptOutcome | null> {
    const seconds = this.configuration.webhookTimeoutSeconds;
    const body = bodyOf(attempt);
    const message = { id: attempt.eventId, timestamp: Math.floor(attempt.now.getTime() / 1_000), body };
    const startedAt = process.hrtime.bigint();
    try {
      const answer = await this.http.post(
        {
          url: attempt.url,
          body,
          headers: {
            'content-type': 'application/json',
            'user-agent': 'Synscope-Webhooks/1',
            'webhook-id': message.id,
            'webhook-timestamp': String(message.timestamp),
            'webhook-signature': signatureHeader(message, attempt.secrets),
          },
        },
        AbortSignal.any([shutdown, AbortSignal.timeout(seconds * 1_000)]),
      );
      return answered(answer, Date.now());
    } catch (error) {
      if (shutdown.aborted) return null;
      return unanswered(error, Number((process.hrtime.bigint() - startedAt) / 1_000n), seconds);
    }
  }
}

/** The same bytes in every attempt. */
function bodyOf({ eventType, occurredAt, data }: DueAttempt): string {
  return `{"type":${JSON.stringify(eventType)},"timestamp":${JSON.stringify(formatDate(occurredAt))},"data":${data}}`;
}
