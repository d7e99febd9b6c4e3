import { Injectable } from '@nestjs/common';
import type { WebhookEventType } from '@synscope/api-contract';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ChangeFeed } from '../change-feed/change-feed.js';

export interface WebhookEvent {
  readonly type: WebhookEventType;
  /** What bots get as `data`: as in the answers of the REST API, and never a secret. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Not one hint per event: Postgres sends equal ones of a transaction once. */
const HINT = { kind: 'webhook', id: 'event' } as const;

/** The outbox of what bots are told of. Who delivers it, and to whom, is the business of the webhooks. */
@Injectable()
export class WebhookEvents {
  constructor(private readonly changes: ChangeFeed) {}

  /**
   * Bots are told of these, in about this order, if the transaction commits, and only then. Each event is delivered once to each endpoint
   * that wants it, however many replicas there are: so publish it where its cause is written, under the same lock.
   */
  async publish(manager: EntityManager, ...events: readonly WebhookEvent[]): Promise<void> {
    if (events.length === 0) return;
    await manager.query(
      `INSERT INTO webhook_event (id, type, data)
       SELECT * FROM unnest($1::uuid[], $2::text[], $3::json[])`,
      [
        events.map(() => uuidv7()),
        events.map(({ type }) => type),
        events.map(({ data }) => JSON.stringify(data)),
      ],
    );
    await this.changes.announce(manager, [HINT]);
  }
}
