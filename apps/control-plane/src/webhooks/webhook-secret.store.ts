import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';

/** How long an earlier secret goes on signing beside the new one: time for a receiver to be given that. */
export const PREVIOUS_SECRET_SECONDS = 86_400;

/** As many secrets sign at a time: each signature is some 50 bytes of a header. */
const MOST_SECRETS = 4;

@Injectable()
export class WebhookSecretStore {
  /** The new secret is the present one from now on. */
  async insert(manager: EntityManager, webhookId: string, secret: Buffer): Promise<void> {
    await manager.query(
      `UPDATE webhook_secret SET expires_at = now() + make_interval(secs => $2) WHERE webhook_id = $1 AND expires_at IS NULL`,
      [webhookId, PREVIOUS_SECRET_SECONDS],
    );
    await manager.query('INSERT INTO webhook_secret (id, webhook_id, secret) VALUES ($1, $2, $3)', [
      uuidv7(),
      webhookId,
      secret,
    ]);
    await manager.query(
      `DELETE FROM webhook_secret
        WHERE webhook_id = $1 AND (expires_at <= now() OR id NOT IN (
          SELECT id FROM webhook_secret WHERE webhook_id = $1 ORDER BY expires_at DESC NULLS FIRST, id DESC LIMIT ${MOST_SECRETS}))`,
      [webhookId],
    );
  }
}
