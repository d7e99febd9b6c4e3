import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { WebhookDelivery, WebhookDeliveryListQuery } from '@synscope/api-contract';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import type { Actor } from '../access/actor.js';
import { notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { webhookDisabled } from './webhook.errors.js';
import { WebhookStore } from './webhook.store.js';
import { WebhookChangeRecorder } from './webhook-change-recorder.js';
import { WebhookDeliveryStore } from './webhook-delivery.store.js';

/** Between two looks at a delivery that somebody waits for: any replica may be the one that makes the attempt. Milliseconds. */
const LOOK_INTERVAL_MS = 100;

/** The log of deliveries, and deliveries on request. */
@Injectable()
export class WebhookDeliveryService {
  constructor(
    private readonly database: DataSource,
    private readonly webhooks: WebhookStore,
    private readonly store: WebhookDeliveryStore,
    private readonly record: WebhookChangeRecorder,
  ) {}

  async list(webhookId: string, query: WebhookDeliveryListQuery): Promise<KeysetList<WebhookDelivery>> {
    if ((await this.webhooks.find(webhookId)) === null) throw notFound('webhook', webhookId);
    return new KeysetList({
      name: `webhooks/${webhookId}/deliveries`,
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit }) => {
        const filter = {
          states: query.state ?? null,
          eventTypes: query.eventType ?? null,
          afterId: after?.[0] ?? null,
        };
        const deliveries = await this.store.list(webhookId, filter, limit);
        return deliveries.map((item) => ({ item, position: [item.id] as const }));
      },
    });
  }

  async get(webhookId: string, id: string): Promise<WebhookDelivery> {
    const delivery = await this.store.find(webhookId, id);
    if (delivery === null) throw notFound('delivery of this webhook', id);
    return delivery;
  }

  /** With `waitSeconds`, answers once its one attempt has ended. */
  async test(webhookId: string, waitSeconds: number, actor: Actor): Promise<WebhookDelivery> {
    const id = await this.database.transaction(async (manager) => {
      const name = await this.begin(manager, webhookId);
      const deliveryId = await this.store.insertTest(manager, webhookId, {
        webhookId,
        message: `A test of the webhook ${JSON.stringify(name)}.`,
      });
      await this.record.changed(manager, actor, {
        id: webhookId,
        action: 'webhook.test',
        detail: { deliveryId },
      });
      return deliveryId;
    });
    return this.afterNextAttempt(webhookId, id, 0, waitSeconds);
  }

  /** With `waitSeconds`, answers once its next attempt has ended. */
  async redeliver(
    webhookId: string,
    id: string,
    waitSeconds: number,
    actor: Actor,
  ): Promise<WebhookDelivery> {
    const before = (await this.get(webhookId, id)).attempts.at(-1)?.number ?? 0;
    await this.database.transaction(async (manager) => {
      await this.begin(manager, webhookId);
      if (!(await this.store.restart(manager, webhookId, id))) throw notFound('delivery of this webhook', id);
      await this.record.changed(manager, actor, {
        id: webhookId,
        action: 'webhook.redeliver',
        detail: { deliveryId: id },
      });
    });
    return this.afterNextAttempt(webhookId, id, before, waitSeconds);
  }

  /** The webhook's name. What people ask for does not wait until a failing webhook is tried again. */
  private async begin(manager: EntityManager, webhookId: string): Promise<string> {
    const webhook = await this.webhooks.lock(manager, webhookId);
    if (webhook === null) throw notFound('webhook', webhookId);
    if (!webhook.enabled) throw webhookDisabled(webhook.name);
    await this.webhooks.release(manager, webhookId);
    return webhook.name;
  }

  private async afterNextAttempt(
    webhookId: string,
    id: string,
    before: number,
    waitSeconds: number,
  ): Promise<WebhookDelivery> {
    const untilMs = performance.now() + waitSeconds * 1_000;
    for (;;) {
      const delivery = await this.get(webhookId, id);
      const hasEnded = (delivery.attempts.at(-1)?.number ?? 0) > before;
      if (hasEnded || performance.now() >= untilMs) return delivery;
      await sleep(LOOK_INTERVAL_MS);
    }
  }
}
