import type { Role } from '@synscope/api-contract';
import { Check, Column, Entity, PrimaryColumn, Unique } from 'typeorm';

@Entity('api_token')
@Unique('api_token_secret_hash_key', ['secretHash'])
@Check('api_token_role_check', `role IN ('viewer', 'operator', 'admin')`)
export class ApiTokenEntity {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;

  @Column('text')
  role!: Role;

  @Column('bytea')
  secretHash!: Buffer;

  @Column({ type: 'timestamptz', precision: 3, default: () => 'now()' })
  createdAt!: Date;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  expiresAt!: Date | null;

  @Column({ type: 'timestamptz', precision: 3, nullable: true })
  lastUsedAt!: Date | null;
}
