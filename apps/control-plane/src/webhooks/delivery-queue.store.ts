import { Injectable } from '@nestjs/common';
import type { DeliveredEventType } from '@synscope/api-contract';
import { DataSource } from 'typeorm';
import { Configuration } from '../config/configuration.js';
import { LONGEST_ROUND_SECONDS, MOST_ATTEMPTS } from './retry-schedule.js';

/** Events per transaction. */
const FAN_OUT_BATCH = 1_000;

/** Over all replicas: of a webhook whose last attempt succeeded, if there is room, and of one that fails. */
const MOST_AT_A_TIME = 16;
const MOST_WHILE_FAILING = 1;

/** Beyond the time of an attempt: what its end may take to get written. */
const LEASE_MARGIN_SECONDS = 15;

/** One attempt that this replica has to make. */
export interface DueAttempt {
  readonly webhookId: string;
  readonly eventId: string;
  /** Which attempt of the delivery it is. */
  readonly number: number;
  /** After this one. */
  readonly attemptsLeft: number;
  readonly url: string;
  readonly isFailing: boolean;
  readonly secrets: readonly Buffer[];
  readonly eventType: DeliveredEventType;
  readonly occurredAt: Date;
  /** JSON as it was published. */
  readonly data: string;
  /** The database's clock. */
  readonly now: Date;
}

export interface Room {
  readonly places: number;
  /** Of those, for webhooks that fail. */
  readonly placesForFailing: number;
}

/** Who gets which event, and whose turn it is: all of it by the database's clock, in single statements. */
@Injectable()
export class DeliveryQueueStore {
  private readonly leaseSeconds: number;

  constructor(
    private readonly database: DataSource,
    configuration: Configuration,
  ) {
    this.leaseSeconds = configuration.webhookTimeoutSeconds + LEASE_MARGIN_SECONDS;
  }

  /** Makes the deliveries of the earliest events that have none yet. How many events that were. */
  async fanOut(): Promise<number> {
    const [, count] = (await this.database.query(
      `WITH event AS (
         SELECT id, type FROM webhook_event WHERE NOT fanned_out ORDER BY id LIMIT ${FAN_OUT_BATCH} FOR UPDATE SKIP LOCKED
       ), delivery AS (
         INSERT INTO webhook_delivery (webhook_id, event_id, attempts_left)
         SELECT webhook.id, event.id, ${MOST_ATTEMPTS} FROM event JOIN webhook ON webhook.enabled AND event.type = ANY (webhook.events)
         ON CONFLICT DO NOTHING
       )
       UPDATE webhook_event SET fanned_out = TRUE FROM event WHERE webhook_event.id = event.id`,
    )) as [unknown, number];
    return count;
  }

  /**
   * Takes on attempts that are due, and that no other replica is at. Those of webhooks with the fewest under way come first; half of the room
   * is left, and a webhook gets no more than a quarter of it: of many that begin to hang at the same time none takes the last place. Whoever
   * takes an attempt on holds a lease on it; when that runs out, its replica is gone, and another takes it on.
   */
  async claim({ places, placesForFailing }: Room): Promise<readonly DueAttempt[]> {
    const [rows] = (await this.database.query(
      `WITH candidate AS (
         SELECT id, url, failures > 0 AS failing,
                (SELECT count(*) FROM webhook_delivery WHERE webhook_id = webhook.id AND leased_until > now()) AS under_way
           FROM webhook
          WHERE enabled AND (held_until IS NULL OR held_until <= now())
            AND EXISTS (SELECT FROM webhook_delivery WHERE webhook_id = webhook.id AND state = 'pending' AND next_attempt_at <= now())
            FOR NO KEY UPDATE SKIP LOCKED
       ), due AS (
         SELECT candidate.*, delivery.event_id, under_way + delivery.place AS place
           FROM candidate CROSS JOIN LATERAL (
             SELECT event_id, row_number() OVER (ORDER BY next_attempt_at, event_id) AS place
               FROM webhook_delivery
              WHERE webhook_id = candidate.id AND state = 'pending' AND next_attempt_at <= now()
              ORDER BY next_attempt_at, event_id
              LIMIT greatest(CASE WHEN failing THEN ${MOST_WHILE_FAILING} ELSE $4 END - under_way, 0)
           ) AS delivery
       ), turn AS (
         SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY failing ORDER BY place, id) AS among FROM due) AS placed
          WHERE NOT failing OR among <= $2
          ORDER BY failing, place, id LIMIT $1
       ), lost AS (
         -- Their replica is gone: the log says so.
         INSERT INTO webhook_attempt (webhook_id, event_id, number, started_at, error)
         SELECT webhook_id, event_id, attempts, leased_until - make_interval(secs => $3),
                'not known: the control plane that made this attempt ended before it wrote what became of it'
           FROM turn JOIN webhook_delivery USING (event_id)
          WHERE webhook_id = turn.id AND leased_until IS NOT NULL
         ON CONFLICT DO NOTHING
       )
       UPDATE webhook_delivery AS delivery
          SET attempts = attempts + 1, attempts_left = attempts_left - 1,
              next_attempt_at = now() + make_interval(secs => $3), leased_until = now() + make_interval(secs => $3)
         FROM turn, webhook_event AS event
        WHERE delivery.webhook_id = turn.id AND delivery.event_id = turn.event_id AND event.id = turn.event_id
          -- Again, for a row that another replica has taken on since this statement began.
          AND delivery.state = 'pending' AND delivery.next_attempt_at <= now()
       RETURNING delivery.webhook_id AS "webhookId", delivery.event_id AS "eventId", delivery.attempts AS number,
                 delivery.attempts_left AS "attemptsLeft", turn.url, turn.failing AS "isFailing", event.type AS "eventType",
                 event.occurred_at AS "occurredAt", event.data::text AS data, now() AS now,
                 ARRAY(SELECT secret FROM webhook_secret AS known
                        WHERE known.webhook_id = turn.id AND (expires_at IS NULL OR expires_at > now())
                        ORDER BY expires_at DESC NULLS FIRST) AS secrets`,
      [
        Math.ceil(places / 2),
        placesForFailing,
        this.leaseSeconds,
        Math.min(Math.ceil(places / 4), MOST_AT_A_TIME),
      ],
    )) as [DueAttempt[], number];
    return rows;
  }

  /** How long until the next attempt that no replica is at yet, milliseconds; null if there is none. */
  async untilNextMs(): Promise<number | null> {
    const rows: { untilMs: string | null }[] = await this.database.query(
      `SELECT extract(epoch FROM min(greatest(next.at, held_until)) - clock_timestamp()) * 1000 AS "untilMs"
         FROM webhook CROSS JOIN LATERAL (
           SELECT next_attempt_at AS at FROM webhook_delivery WHERE webhook_id = webhook.id AND state = 'pending'
            ORDER BY next_attempt_at LIMIT 1) AS next
        WHERE enabled`,
    );
    const untilMs = rows[0]?.untilMs ?? null;
    return untilMs === null ? null : Number(untilMs);
  }

  /** Gives up what was not delivered in all that time. How many deliveries. */
  async giveUpOld(): Promise<number> {
    const [, count] = (await this.database.query(
      `UPDATE webhook_delivery SET state = 'failed', finished_at = now(), next_attempt_at = NULL, leased_until = NULL
        WHERE state = 'pending' AND round_began_at < now() - make_interval(secs => $1)
          AND (leased_until IS NULL OR leased_until <= now())`,
      [LONGEST_ROUND_SECONDS],
    )) as [unknown, number];
    return count;
  }

  /** Deliveries that wait for an attempt or are at one. */
  async pendingCount(): Promise<number> {
    const rows: { count: string }[] = await this.database.query(
      `SELECT count(*) AS count FROM webhook_delivery WHERE state = 'pending'`,
    );
    return Number(rows[0]?.count);
  }
}
