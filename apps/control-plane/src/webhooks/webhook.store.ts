import { Injectable } from '@nestjs/common';
import { formatDate, type Webhook, type WebhookEventType } from '@synscope/api-contract';
import { DataSource, type EntityManager, QueryFailedError } from 'typeorm';
import { webhookNameTaken } from './webhook.errors.js';

export interface WebhookSettings {
  readonly name: string;
  readonly url: string;
  readonly events: readonly WebhookEventType[];
  readonly enabled: boolean;
}

interface WebhookRow extends WebhookSettings {
  readonly id: string;
  readonly disabledReason: string | null;
  readonly failingSince: Date | null;
  readonly heldUntil: Date | null;
  readonly pendingDeliveries: number;
  readonly previousSecretsValidUntil: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `id, name, url, events, enabled, disabled_reason AS "disabledReason", failing_since AS "failingSince",
  CASE WHEN held_until > now() THEN held_until END AS "heldUntil", created_at AS "createdAt", updated_at AS "updatedAt",
  (SELECT count(*)::int FROM webhook_delivery WHERE webhook_id = webhook.id AND state = 'pending') AS "pendingDeliveries",
  (SELECT max(expires_at) FROM webhook_secret WHERE webhook_id = webhook.id AND expires_at > now()) AS "previousSecretsValidUntil"`;

/** Any number, so long as it is for this alone: makes creations wait for each other while they count. */
const CREATION_LOCK = 710_071;

/** The rows of webhooks, without their secrets. */
@Injectable()
export class WebhookStore {
  constructor(private readonly database: DataSource) {}

  /** Holds off other creations until the transaction ends. */
  async count(manager: EntityManager): Promise<number> {
    await manager.query('SELECT pg_advisory_xact_lock($1)', [CREATION_LOCK]);
    const rows: { count: number }[] = await manager.query('SELECT count(*)::int AS count FROM webhook');
    return rows[0]?.count ?? 0;
  }

  async insert(
    manager: EntityManager,
    id: string,
    settings: WebhookSettings,
    createdBy: string | null,
  ): Promise<void> {
    await named(settings.name, () =>
      manager.query(
        'INSERT INTO webhook (id, name, url, events, enabled, created_by) VALUES ($1, $2, $3, $4, $5, $6)',
        [id, settings.name, settings.url, settings.events, settings.enabled, createdBy],
      ),
    );
  }

  /** Begins with a clean slate: whatever failed before may be repaired by the change. */
  async update(manager: EntityManager, id: string, settings: WebhookSettings): Promise<void> {
    await named(settings.name, () =>
      manager.query(
        `UPDATE webhook SET name = $2, url = $3, events = $4, enabled = $5, disabled_reason = CASE WHEN $5 THEN NULL ELSE disabled_reason END,
                failures = 0, failing_since = NULL, held_until = NULL, updated_at = now()
          WHERE id = $1`,
        [id, settings.name, settings.url, settings.events, settings.enabled],
      ),
    );
    if (!settings.enabled) await this.cancelDeliveries(manager, id);
  }

  async disable(manager: EntityManager, id: string, reason: string): Promise<void> {
    await manager.query(
      'UPDATE webhook SET enabled = FALSE, disabled_reason = $2, held_until = NULL, updated_at = now() WHERE id = $1',
      [id, reason],
    );
    await this.cancelDeliveries(manager, id);
  }

  /** Attempts go on at once, whatever failed before. */
  async release(manager: EntityManager, id: string): Promise<void> {
    await manager.query('UPDATE webhook SET held_until = NULL WHERE id = $1', [id]);
  }

  /** With its secrets and its deliveries. */
  async delete(manager: EntityManager, id: string): Promise<void> {
    await manager.query('DELETE FROM webhook WHERE id = $1', [id]);
  }

  async find(id: string): Promise<Webhook | null> {
    const rows: WebhookRow[] = await this.database.query(`SELECT ${COLUMNS} FROM webhook WHERE id = $1`, [
      id,
    ]);
    return rows[0] ? toWebhook(rows[0]) : null;
  }

  async lock(manager: EntityManager, id: string): Promise<WebhookSettings | null> {
    const rows: WebhookSettings[] = await manager.query(
      'SELECT name, url, events, enabled FROM webhook WHERE id = $1 FOR UPDATE',
      [id],
    );
    return rows[0] ?? null;
  }

  /** Newest first. */
  async list(name: string | null, afterId: string | null, limit: number): Promise<Webhook[]> {
    const rows: WebhookRow[] = await this.database.query(
      `SELECT ${COLUMNS} FROM webhook
        WHERE ($1::text IS NULL OR name = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
      [name, afterId, limit],
    );
    return rows.map(toWebhook);
  }

  /** Those under way end by themselves. */
  private async cancelDeliveries(manager: EntityManager, id: string): Promise<void> {
    await manager.query(
      `UPDATE webhook_delivery SET state = 'canceled', finished_at = now(), next_attempt_at = NULL, leased_until = NULL
        WHERE webhook_id = $1 AND state = 'pending' AND (leased_until IS NULL OR leased_until <= now())`,
      [id],
    );
  }
}

function toWebhook(row: WebhookRow): Webhook {
  return {
    id: row.id,
    name: row.name,
    url: row.url,
    events: [...row.events],
    enabled: row.enabled,
    disabledReason: row.disabledReason,
    failingSince: row.failingSince && formatDate(row.failingSince),
    heldUntil: row.heldUntil && formatDate(row.heldUntil),
    pendingDeliveries: row.pendingDeliveries,
    previousSecretsValidUntil: row.previousSecretsValidUntil && formatDate(row.previousSecretsValidUntil),
    createdAt: formatDate(row.createdAt),
    updatedAt: formatDate(row.updatedAt),
  };
}

async function named(name: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const source: unknown = error instanceof QueryFailedError ? error.driverError : error;
    if (source instanceof Error && 'constraint' in source && source.constraint === 'webhook_name_key')
      throw webhookNameTaken(name);
    throw error;
  }
}
