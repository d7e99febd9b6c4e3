import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

/** Events per transaction: their deliveries and attempts go with them. */
const BATCH = 1_000;

@Injectable()
export class WebhookRetentionStore {
  constructor(private readonly database: DataSource) {}

  /** The oldest that are older than this and wait for nothing any more. How many. */
  async deleteOld(seconds: number): Promise<number> {
    const [, count] = (await this.database.query(
      `DELETE FROM webhook_event WHERE id IN (
         SELECT id FROM webhook_event AS event
          WHERE fanned_out AND occurred_at < now() - make_interval(secs => $1)
            AND NOT EXISTS (SELECT FROM webhook_delivery WHERE event_id = event.id AND state = 'pending')
          ORDER BY id LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)`,
      [seconds],
    )) as [unknown, number];
    return count;
  }
}
