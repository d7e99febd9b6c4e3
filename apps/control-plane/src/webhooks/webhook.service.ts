import { Injectable } from '@nestjs/common';
import type {
  Webhook,
  WebhookCreate,
  WebhookCreated,
  WebhookListQuery,
  WebhookUpdate,
} from '@synscope/api-contract';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Actor } from '../access/actor.js';
import { notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { OutboundHttp } from './outbound/outbound-http.js';
import { tooManyWebhooks, urlRefused } from './webhook.errors.js';
import { type WebhookSettings, WebhookStore } from './webhook.store.js';
import { audited, WebhookChangeRecorder } from './webhook-change-recorder.js';
import { WebhookSecretStore } from './webhook-secret.store.js';
import { formatWebhookSecret, newWebhookSecret } from './webhook-signature.js';

/** Each event is a delivery per webhook, and each look at what is due asks every one of them. */
const MOST_WEBHOOKS = 100;

@Injectable()
export class WebhookService {
  constructor(
    private readonly database: DataSource,
    private readonly store: WebhookStore,
    private readonly secrets: WebhookSecretStore,
    private readonly http: OutboundHttp,
    private readonly record: WebhookChangeRecorder,
  ) {}

  async create(settings: WebhookCreate, actor: Actor): Promise<WebhookCreated> {
    this.checkUrl(settings.url);
    const id = uuidv7();
    const secret = newWebhookSecret();
    await this.database.transaction(async (manager) => {
      if ((await this.store.count(manager)) >= MOST_WEBHOOKS) throw tooManyWebhooks(MOST_WEBHOOKS);
      await this.store.insert(manager, id, settings, actor.kind === 'token' ? actor.tokenId : null);
      await this.secrets.insert(manager, id, secret);
      await this.record.changed(manager, actor, {
        id,
        action: 'webhook.create',
        after: audited(settings),
      });
    });
    return { ...(await this.get(id)), secret: formatWebhookSecret(secret) };
  }

  async get(id: string): Promise<Webhook> {
    const webhook = await this.store.find(id);
    if (webhook === null) throw notFound('webhook', id);
    return webhook;
  }

  list(query: WebhookListQuery): KeysetList<Webhook> {
    return new KeysetList({
      name: 'webhooks',
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit }) =>
        (await this.store.list(query.name ?? null, after?.[0] ?? null, limit)).map((item) => ({
          item,
          position: [item.id] as const,
        })),
    });
  }

  async update(id: string, request: WebhookUpdate, actor: Actor): Promise<Webhook> {
    if (request.url !== undefined) this.checkUrl(request.url);
    await this.database.transaction(async (manager) => {
      const before = await this.locked(manager, id);
      const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
      const after: WebhookSettings = { ...before, ...given };
      await this.store.update(manager, id, after);
      await this.record.changed(manager, actor, {
        id,
        action: 'webhook.update',
        before: audited(before),
        after: audited(after),
      });
    });
    return this.get(id);
  }

  async delete(id: string, actor: Actor): Promise<void> {
    await this.database.transaction(async (manager) => {
      const before = await this.locked(manager, id);
      await this.store.delete(manager, id);
      await this.record.changed(manager, actor, {
        id,
        action: 'webhook.delete',
        before: audited(before),
      });
    });
  }

  /** Earlier secrets go on signing for a day beside the new one. */
  async rotateSecret(id: string, actor: Actor): Promise<WebhookCreated> {
    const secret = newWebhookSecret();
    await this.database.transaction(async (manager) => {
      await this.locked(manager, id);
      await this.secrets.insert(manager, id, secret);
      await this.record.changed(manager, actor, { id, action: 'webhook.rotate_secret' });
    });
    return { ...(await this.get(id)), secret: formatWebhookSecret(secret) };
  }

  private checkUrl(url: string): void {
    const refusal = this.http.refusalOf(new URL(url));
    if (refusal !== null) throw urlRefused(refusal);
  }

  private async locked(manager: EntityManager, id: string): Promise<WebhookSettings> {
    const settings = await this.store.lock(manager, id);
    if (settings === null) throw notFound('webhook', id);
    return settings;
  }
}
