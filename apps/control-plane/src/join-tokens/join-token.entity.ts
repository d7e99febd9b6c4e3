import type { Labels } from '@synscope/api-contract';
import { Check, Column, Entity, PrimaryColumn, Unique } from 'typeorm';

@Entity('join_token')
@Unique('join_token_secret_hash_key', ['secretHash'])
@Check('join_token_uses_check', 'uses BETWEEN 0 AND max_uses')
export class JoinTokenEntity {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;

  @Column('bytea')
  secretHash!: Buffer;

  @Column('jsonb')
  labels!: Labels;

  @Column('integer')
  maxUses!: number;

  @Column('integer', { default: 0 })
  uses!: number;

  @Column({ type: 'timestamptz', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Column({ type: 'timestamptz', precision: 3 })
  expiresAt!: Date;
}
