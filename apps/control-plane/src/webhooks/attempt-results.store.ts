import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { AttemptOutcome } from './attempt-outcome.js';
import type { DueAttempt } from './delivery-queue.store.js';

export interface AttemptResult {
  readonly attempt: DueAttempt;
  readonly outcome: AttemptOutcome;
  /** Until the next attempt, milliseconds; null if there is none. */
  readonly retryMs: number | null;
}

/** A webhook that attempts have ended of. */
export interface LockedWebhook {
  readonly id: string;
  readonly enabled: boolean;
  readonly failures: number;
}

/** Writes down what became of attempts. */
@Injectable()
export class AttemptResultsStore {
  /** First of all, and in the order of their ids: whoever changes or deletes a webhook locks it before its deliveries too. */
  async lock(manager: EntityManager, webhookIds: readonly string[]): Promise<readonly LockedWebhook[]> {
    return manager.query(
      'SELECT id, enabled, failures FROM webhook WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE',
      [webhookIds],
    );
  }

  /** An attempt whose lease ran out meanwhile is another replica's business now, and changes nothing. */
  async write(manager: EntityManager, results: readonly AttemptResult[]): Promise<void> {
    await manager.query(
      `WITH result AS (
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::float8[], $6::timestamptz[], $7::int[], $8::bigint[], $9::text[], $10::text[])
           AS r (webhook_id, event_id, number, verdict, retry_ms, started_at, status, latency_us, error, response)
       ), ended AS (
         UPDATE webhook_delivery AS delivery
            SET state = CASE WHEN verdict = 'delivered' THEN 'delivered' WHEN retry_ms IS NULL THEN 'failed'
                             WHEN enabled THEN 'pending' ELSE 'canceled' END,
                next_attempt_at = CASE WHEN enabled THEN now() + retry_ms * interval '1 millisecond' END,
                leased_until = NULL,
                finished_at = CASE WHEN retry_ms IS NULL OR NOT enabled THEN now() END
           FROM result JOIN webhook ON webhook.id = result.webhook_id
          WHERE delivery.webhook_id = result.webhook_id AND delivery.event_id = result.event_id
            AND delivery.attempts = result.number AND delivery.state = 'pending'
         RETURNING result.*
       )
       INSERT INTO webhook_attempt (webhook_id, event_id, number, started_at, latency_us, status, error, response)
       SELECT webhook_id, event_id, number, started_at, latency_us, status, error, response FROM ended
       ON CONFLICT DO NOTHING`,
      [
        results.map(({ attempt }) => attempt.webhookId),
        results.map(({ attempt }) => attempt.eventId),
        results.map(({ attempt }) => attempt.number),
        results.map(({ outcome }) => outcome.verdict),
        results.map(({ retryMs }) => retryMs),
        results.map(({ attempt }) => attempt.now),
        results.map(({ outcome }) => outcome.status),
        results.map(({ outcome }) => outcome.latencyUs),
        results.map(({ outcome }) => outcome.error),
        results.map(({ outcome }) => outcome.response),
      ],
    );
  }

  /** How a webhook fares: `failures` in a row, and how long to leave it in peace, milliseconds. */
  async writeHealth(manager: EntityManager, id: string, failures: number, holdMs: number): Promise<void> {
    await manager.query(
      `UPDATE webhook SET failures = $2,
              failing_since = CASE WHEN $2 > 0 THEN coalesce(failing_since, now()) END,
              held_until = CASE WHEN $2 > 0 THEN now() + $3::float8 * interval '1 millisecond' END
        WHERE id = $1`,
      [id, failures, holdMs],
    );
  }
}
