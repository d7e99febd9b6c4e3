import { Injectable } from '@nestjs/common';
import {
  type DeliveredEventType,
  type DeliveryState,
  formatDate,
  type WebhookDelivery,
} from '@synscope/api-contract';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { MOST_ATTEMPTS } from './retry-schedule.js';

/** How many attempts an answer shows: those of a whole round, and some. */
const SHOWN_ATTEMPTS = 20;

export interface DeliveryFilter {
  readonly states: readonly DeliveryState[] | null;
  readonly eventTypes: readonly DeliveredEventType[] | null;
  readonly afterId: string | null;
}

interface DeliveryRow {
  readonly id: string;
  readonly webhookId: string;
  readonly eventType: DeliveredEventType;
  readonly occurredAt: Date;
  readonly state: DeliveryState;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
  readonly nextAttemptAt: Date | null;
  /** Read by the same statement: what one of them has changed and the attempt itself are seen together. */
  readonly attempts: readonly AttemptRow[] | null;
}

/** As JSON holds it. */
interface AttemptRow {
  readonly number: number;
  /** Since the Unix epoch. */
  readonly startedMs: number;
  readonly latencyUs: number | null;
  readonly status: number | null;
  readonly error: string | null;
  readonly response: string | null;
}

/** The log of deliveries as the REST API shows it, and what people add to the queue. */
@Injectable()
export class WebhookDeliveryStore {
  constructor(private readonly database: DataSource) {}

  /** An event for one webhook alone, which is attempted once. Its id. */
  async insertTest(manager: EntityManager, webhookId: string, data: object): Promise<string> {
    const id = uuidv7();
    await manager.query(
      `INSERT INTO webhook_event (id, type, data, fanned_out) VALUES ($1, 'webhook.test', $2, TRUE)`,
      [id, JSON.stringify(data)],
    );
    await manager.query(
      'INSERT INTO webhook_delivery (webhook_id, event_id, attempts_left) VALUES ($1, $2, 1)',
      [webhookId, id],
    );
    return id;
  }

  /** Begins a new round of attempts; one that is under way goes on, and is its first. Whether there is such a delivery. */
  async restart(manager: EntityManager, webhookId: string, eventId: string): Promise<boolean> {
    const [, count] = (await manager.query(
      `UPDATE webhook_delivery AS delivery
          SET state = 'pending', finished_at = NULL, round_began_at = now(),
              attempts_left = CASE WHEN event.type = 'webhook.test' THEN 1 ELSE ${MOST_ATTEMPTS} END,
              next_attempt_at = CASE WHEN leased_until IS NULL THEN now() ELSE next_attempt_at END
         FROM webhook_event AS event
        WHERE webhook_id = $1 AND event_id = $2 AND event.id = event_id`,
      [webhookId, eventId],
    )) as [unknown, number];
    return count === 1;
  }

  async find(webhookId: string, eventId: string): Promise<WebhookDelivery | null> {
    const [delivery] = await this.read(webhookId, 'event_id = $2', [eventId], 1);
    return delivery ?? null;
  }

  /** Newest first. */
  async list(
    webhookId: string,
    { states, eventTypes, afterId }: DeliveryFilter,
    limit: number,
  ): Promise<WebhookDelivery[]> {
    return this.read(
      webhookId,
      `($2::text[] IS NULL OR state = ANY ($2)) AND ($3::text[] IS NULL OR type = ANY ($3)) AND ($4::uuid IS NULL OR event_id < $4)`,
      [states, eventTypes, afterId],
      limit,
    );
  }

  private async read(
    webhookId: string,
    condition: string,
    parameters: readonly unknown[],
    limit: number,
  ): Promise<WebhookDelivery[]> {
    const rows: DeliveryRow[] = await this.database.query(
      `SELECT event_id AS id, webhook_id AS "webhookId", type AS "eventType", occurred_at AS "occurredAt", state,
              created_at AS "createdAt", finished_at AS "finishedAt", next_attempt_at AS "nextAttemptAt",
              (SELECT json_agg(shown ORDER BY number) FROM (
                 SELECT number, round(extract(epoch FROM started_at) * 1000)::bigint AS "startedMs", latency_us AS "latencyUs", status, error, response
                   FROM webhook_attempt AS attempt
                  WHERE attempt.webhook_id = delivery.webhook_id AND attempt.event_id = delivery.event_id
                  ORDER BY number DESC LIMIT ${SHOWN_ATTEMPTS}) AS shown) AS attempts
         FROM webhook_delivery AS delivery JOIN webhook_event ON webhook_event.id = event_id
        WHERE webhook_id = $1 AND ${condition} ORDER BY event_id DESC LIMIT ${limit}`,
      [webhookId, ...parameters],
    );
    return rows.map(toDelivery);
  }
}

function toDelivery({ attempts, ...row }: DeliveryRow): WebhookDelivery {
  return {
    id: row.id,
    webhookId: row.webhookId,
    eventType: row.eventType,
    occurredAt: formatDate(row.occurredAt),
    state: row.state,
    createdAt: formatDate(row.createdAt),
    finishedAt: row.finishedAt && formatDate(row.finishedAt),
    nextAttemptAt: row.nextAttemptAt && formatDate(row.nextAttemptAt),
    attempts: (attempts ?? []).map(({ number, startedMs, latencyUs, status, error, response }) => ({
      number,
      startedAt: formatDate(new Date(startedMs)),
      latencyUs,
      status,
      error,
      response,
    })),
  };
}
