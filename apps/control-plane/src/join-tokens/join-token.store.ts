import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { formatDate, type JoinToken, type Labels } from '@synscope/api-contract';
import { type EntityManager, LessThan, Repository } from 'typeorm';
import { JoinTokenEntity } from './join-token.entity.js';

export interface NewJoinToken {
  readonly id: string;
  readonly name: string;
  readonly secretHash: Buffer;
  readonly labels: Labels;
  readonly maxUses: number;
  readonly expiresInSeconds: number;
}

/** Why a join token that is known does not work. */
export type JoinTokenRefusal = 'unknown' | 'expired' | 'used_up';

export type JoinTokenUse =
  | { readonly accepted: true; readonly id: string; readonly labels: Labels }
  | { readonly accepted: false; readonly reason: JoinTokenRefusal };

@Injectable()
export class JoinTokenStore {
  constructor(@InjectRepository(JoinTokenEntity) private readonly repository: Repository<JoinTokenEntity>) {}

  /** The end is reckoned by the database's clock, which is also what `use` looks at. */
  async insert(manager: EntityManager, token: NewJoinToken): Promise<JoinToken> {
    const { expiresInSeconds, ...columns } = token;
    await manager
      .createQueryBuilder()
      .insert()
      .into(JoinTokenEntity)
      .values({
        ...columns,
        labels: { ...columns.labels },
        expiresAt: () => 'now() + make_interval(secs => :expiresInSeconds)',
      })
      .setParameters({ expiresInSeconds })
      .execute();
    return toJoinToken(await manager.findOneByOrFail(JoinTokenEntity, { id: token.id }));
  }

  /** Counts one use, if there is one left: in one statement, so that two agents cannot take the last one. */
  async use(manager: EntityManager, secretHash: Buffer): Promise<JoinTokenUse> {
    const { raw } = await manager
      .createQueryBuilder()
      .update(JoinTokenEntity)
      .set({ uses: () => 'uses + 1' })
      .where('secret_hash = :secretHash AND uses < max_uses AND expires_at > now()', { secretHash })
      .returning(['id', 'labels'])
      .execute();
    const [used] = raw as Pick<JoinTokenEntity, 'id' | 'labels'>[];
    if (used !== undefined) return { accepted: true, id: used.id, labels: used.labels };
    const known = await manager.findOneBy(JoinTokenEntity, { secretHash });
    if (known === null) return { accepted: false, reason: 'unknown' };
    return { accepted: false, reason: known.uses >= known.maxUses ? 'used_up' : 'expired' };
  }

  /** Newest first. */
  async list(afterId: string | null, limit: number): Promise<JoinToken[]> {
    const rows = await this.repository.find({
      where: afterId === null ? {} : { id: LessThan(afterId) },
      order: { id: 'DESC' },
      take: limit,
    });
    return rows.map(toJoinToken);
  }

  async find(id: string): Promise<JoinToken | null> {
    const row = await this.repository.findOneBy({ id });
    return row && toJoinToken(row);
  }

  /** What it was; null if there was none. */
  async delete(manager: EntityManager, id: string): Promise<JoinToken | null> {
    const row = await manager.findOne(JoinTokenEntity, {
      where: { id },
      lock: { mode: 'pessimistic_write' },
    });
    if (row === null) return null;
    await manager.delete(JoinTokenEntity, { id });
    return toJoinToken(row);
  }
}

function toJoinToken(row: JoinTokenEntity): JoinToken {
  return {
    id: row.id,
    name: row.name,
    labels: row.labels,
    maxUses: row.maxUses,
    uses: row.uses,
    createdAt: formatDate(row.createdAt),
    expiresAt: formatDate(row.expiresAt),
  };
}
