import { timingSafeEqual } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type {
  ApiToken,
  ApiTokenCreate,
  ApiTokenCreated,
  ApiTokenListQuery,
  Role,
} from '@synscope/api-contract';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { AuditTrail } from '../audit/audit-trail.js';
import { invalidField, notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { forbidden, lastAdminToken, outlivesItsMaker } from './access.errors.js';
import { type Actor, mayActAs, type TokenActor } from './actor.js';
import { ApiTokenStore } from './api-token.store.js';
import { hashTokenSecret, newTokenSecret } from './bearer-token.js';

const TOUCH_INTERVAL_MS = 60_000;

@Injectable()
export class ApiTokenService {
  private readonly logger = new Logger(ApiTokenService.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly store: ApiTokenStore,
    private readonly audit: AuditTrail,
  ) {}

  /** Who holds this secret, or null. */
  async authenticate(secret: string): Promise<TokenActor | null> {
    const hash = hashTokenSecret(secret);
    const found = await this.store.findValid(hash);
    if (!found || !timingSafeEqual(found.secretHash, hash)) return null;
    if (!found.lastUsedAt || Date.now() - found.lastUsedAt.getTime() > TOUCH_INTERVAL_MS) {
      // The request need not wait for this, nor fail with it.
      this.store
        .touch(found.id)
        .catch((error: unknown) => this.logger.debug(`last use not noted: ${String(error)}`));
    }
    const { id, name, role, expiresAt } = found;
    return { kind: 'token', tokenId: id, name, role, expiresAt };
  }

  async create(request: ApiTokenCreate, actor: Actor): Promise<ApiTokenCreated> {
    const expiresAt = request.expiresAt === null ? null : new Date(request.expiresAt);
    if (expiresAt && expiresAt.getTime() <= Date.now()) throw invalidField('expiresAt', 'is in the past');
    if (actor.kind === 'token') refuseMoreRights(actor, request.role, expiresAt);
    const secret = newTokenSecret();
    const token = await this.dataSource.transaction(async (manager) => {
      const { name, role } = request;
      const created = await this.store.insert(manager, {
        id: uuidv7(),
        name,
        role,
        expiresAt,
        secretHash: hashTokenSecret(secret),
      });
      await this.audit.record(manager, actor, {
        action: 'api_token.create',
        resource: { kind: 'api_token', id: created.id },
        after: { name, role, expiresAt: created.expiresAt },
      });
      return created;
    });
    return { ...token, token: secret };
  }

  list(query: ApiTokenListQuery): KeysetList<ApiToken> {
    return new KeysetList({
      name: 'api-tokens',
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit }) =>
        (await this.store.list(after?.[0] ?? null, limit)).map((item) => ({
          item,
          position: [item.id] as const,
        })),
    });
  }

  async delete(id: string, actor: Actor): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      const deletion = await this.store.delete(manager, id);
      if (deletion === null) throw notFound('API token', id);
      if (deletion.wasLastAdmin) throw lastAdminToken();
      const { name, role, createdAt, expiresAt, lastUsedAt } = deletion.token;
      await this.audit.record(manager, actor, {
        action: 'api_token.delete',
        resource: { kind: 'api_token', id },
        before: { name, role, createdAt, expiresAt, lastUsedAt },
      });
    });
  }
}

/** Otherwise a token that leaks for an hour would be a token for ever. */
function refuseMoreRights(holder: TokenActor, role: Role, expiresAt: Date | null): void {
  if (!mayActAs(holder, role)) throw forbidden(holder.role, role);
  if (holder.expiresAt === null) return;
  if (expiresAt === null || expiresAt > holder.expiresAt) throw outlivesItsMaker(holder.expiresAt);
}
