import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { StoredAuthority } from './certificates.js';

// Any constant that no other advisory lock uses. The digits spell SYN-CA on a telephone.
const CREATION_LOCK = 79_622;

@Injectable()
export class CertificateAuthorityStore {
  constructor(private readonly database: DataSource) {}

  /** The authority of this database; made with `create` if there is none yet, by one replica only. */
  async loadOrCreate(create: () => Promise<StoredAuthority>): Promise<StoredAuthority> {
    return this.database.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock($1)', [CREATION_LOCK]);
      const rows: StoredAuthority[] = await manager.query(
        'SELECT certificate, private_key AS "privateKey" FROM certificate_authority ORDER BY created_at DESC, id DESC LIMIT 1',
      );
      if (rows[0] !== undefined) return rows[0];
      const created = await create();
      await manager.query(
        'INSERT INTO certificate_authority (id, certificate, private_key) VALUES ($1, $2, $3)',
        [uuidv7(), created.certificate, created.privateKey],
      );
      return created;
    });
  }
}
