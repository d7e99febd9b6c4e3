import { Injectable } from '@nestjs/common';
import type {
  JoinToken,
  JoinTokenCreate,
  JoinTokenCreated,
  JoinTokenListQuery,
} from '@synscope/api-contract';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Actor } from '../access/actor.js';
import { AuditTrail } from '../audit/audit-trail.js';
import { CertificateAuthorityService } from '../certificate-authority/certificate-authority.service.js';
import { notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { JoinTokenStore, type JoinTokenUse } from './join-token.store.js';
import {
  formatJoinToken,
  hashJoinTokenSecret,
  newJoinTokenSecret,
  readJoinTokenSecret,
} from './join-token-secret.js';

@Injectable()
export class JoinTokenService {
  constructor(
    private readonly database: DataSource,
    private readonly store: JoinTokenStore,
    private readonly certificates: CertificateAuthorityService,
    private readonly audit: AuditTrail,
  ) {}

  async create(request: JoinTokenCreate, actor: Actor): Promise<JoinTokenCreated> {
    const secret = newJoinTokenSecret();
    const created = await this.database.transaction(async (manager) => {
      const token = await this.store.insert(manager, {
        ...request,
        id: uuidv7(),
        secretHash: hashJoinTokenSecret(secret),
      });
      await this.audit.record(manager, actor, {
        action: 'join_token.create',
        resource: { kind: 'join_token', id: token.id },
        after: token,
      });
      return token;
    });
    return { ...created, token: formatJoinToken(secret, this.certificates.pin) };
  }

  list(query: JoinTokenListQuery): KeysetList<JoinToken> {
    return new KeysetList({
      name: 'join-tokens',
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit }) =>
        (await this.store.list(after?.[0] ?? null, limit)).map((item) => ({
          item,
          position: [item.id] as const,
        })),
    });
  }

  async get(id: string): Promise<JoinToken> {
    const token = await this.store.find(id);
    if (token === null) throw notFound('join token', id);
    return token;
  }

  async delete(id: string, actor: Actor): Promise<void> {
    await this.database.transaction(async (manager) => {
      const before = await this.store.delete(manager, id);
      if (before === null) throw notFound('join token', id);
      await this.audit.record(manager, actor, {
        action: 'join_token.delete',
        resource: { kind: 'join_token', id },
        before,
      });
    });
  }

  /** Counts a use of what an agent sent as its join token. A later rollback gives it back. */
  async use(manager: EntityManager, joinToken: string): Promise<JoinTokenUse> {
    const secret = readJoinTokenSecret(joinToken);
    if (secret === null) return { accepted: false, reason: 'unknown' };
    return this.store.use(manager, hashJoinTokenSecret(secret));
  }
}
