import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { ApiToken } from '@synscope/api-contract';
import { formatDate } from '@synscope/api-contract';
import { type EntityManager, LessThan, Repository } from 'typeorm';
import { ApiTokenEntity } from './api-token.entity.js';

export type NewApiToken = Pick<ApiTokenEntity, 'id' | 'name' | 'role' | 'secretHash' | 'expiresAt'>;
export type FoundApiToken = Pick<ApiTokenEntity, 'id' | 'name' | 'role' | 'secretHash' | 'expiresAt'> & {
  readonly lastUsedAt: Date | null;
};

@Injectable()
export class ApiTokenStore {
  constructor(@InjectRepository(ApiTokenEntity) private readonly repository: Repository<ApiTokenEntity>) {}

  async insert(manager: EntityManager, token: NewApiToken): Promise<ApiToken> {
    await manager.insert(ApiTokenEntity, token);
    return toApiToken(await manager.findOneByOrFail(ApiTokenEntity, { id: token.id }));
  }

  /** The token with this hash, unless it has expired by the database's clock. */
  async findValid(secretHash: Buffer): Promise<FoundApiToken | null> {
    return this.repository
      .createQueryBuilder('token')
      .where('token.secretHash = :secretHash AND (token.expiresAt IS NULL OR token.expiresAt > now())', {
        secretHash,
      })
      .getOne();
  }

  /** Notes the use, to the minute, so that a busy token costs one write a minute. */
  async touch(id: string): Promise<void> {
    await this.repository
      .createQueryBuilder()
      .update()
      .set({ lastUsedAt: () => 'now()' })
      .where(`id = :id AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`, { id })
      .execute();
  }

  /** Newest first. */
  async list(afterId: string | null, limit: number): Promise<ApiToken[]> {
    const rows = await this.repository.find({
      where: afterId === null ? {} : { id: LessThan(afterId) },
      order: { id: 'DESC' },
      take: limit,
    });
    return rows.map(toApiToken);
  }

  /** What it was, and whether no admin token that works is left: to be rolled back then. Null if there was none. */
  async delete(
    manager: EntityManager,
    id: string,
  ): Promise<{ readonly token: ApiToken; readonly wasLastAdmin: boolean } | null> {
    // All of them, in one order, so that of two admins who delete each other's token one finds the other's gone.
    const admins = await manager
      .createQueryBuilder(ApiTokenEntity, 'token')
      .setLock('pessimistic_write')
      .where(`token.role = 'admin' AND (token.expiresAt IS NULL OR token.expiresAt > now())`)
      .orderBy('token.id')
      .getMany();
    const row = await manager.findOneBy(ApiTokenEntity, { id });
    if (row === null) return null;
    await manager.delete(ApiTokenEntity, { id });
    return {
      token: toApiToken(row),
      wasLastAdmin: admins.length === 1 && admins[0]?.id === id,
    };
  }
}

function toApiToken(row: ApiTokenEntity): ApiToken {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    createdAt: formatDate(row.createdAt),
    expiresAt: row.expiresAt && formatDate(row.expiresAt),
    lastUsedAt: row.lastUsedAt && formatDate(row.lastUsedAt),
  };
}
