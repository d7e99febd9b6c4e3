import { Injectable } from '@nestjs/common';
import { DatabasePool } from '../database/database-pool.js';

export interface IdempotencyKeyId {
  readonly tokenId: string;
  readonly key: string;
}

export type Claim =
  | { readonly state: 'claimed' }
  | { readonly state: 'in_flight'; readonly requestHash: Buffer }
  | {
      readonly state: 'done';
      readonly requestHash: Buffer;
      readonly status: number;
      readonly sealedResponse: Buffer;
    };

interface KeyRow {
  readonly request_hash: Buffer;
  readonly status: number | null;
  readonly sealed_response: Buffer | null;
}

@Injectable()
export class IdempotencyStore {
  constructor(private readonly pool: DatabasePool) {}

  /**
   * Takes the key for a new request, or tells what became of the request that took it before. A key is free again after a day, or
   * after ten minutes if its request never ended (the replica died in the middle).
   */
  async claim({ tokenId, key }: IdempotencyKeyId, requestHash: Buffer): Promise<Claim> {
    const { rowCount } = await this.pool.query(
      `INSERT INTO idempotency_key AS present (token_id, key, request_hash) VALUES ($1, $2, $3)
       ON CONFLICT (token_id, key) DO UPDATE
         SET request_hash = excluded.request_hash, created_at = now(), status = NULL, sealed_response = NULL
         WHERE present.created_at < now() - CASE WHEN present.status IS NULL THEN interval '10 minutes' ELSE interval '24 hours' END`,
      [tokenId, key, requestHash],
    );
    if (rowCount === 1) return { state: 'claimed' };
    const { rows } = await this.pool.query<KeyRow>(
      'SELECT request_hash, status, sealed_response FROM idempotency_key WHERE token_id = $1 AND key = $2',
      [tokenId, key],
    );
    const [row] = rows;
    // Gone between the two statements: its request has just failed, and the caller may try again at once.
    if (!row) return { state: 'in_flight', requestHash };
    if (row.status === null || row.sealed_response === null)
      return { state: 'in_flight', requestHash: row.request_hash };
    return {
      state: 'done',
      requestHash: row.request_hash,
      status: row.status,
      sealedResponse: row.sealed_response,
    };
  }

  async complete({ tokenId, key }: IdempotencyKeyId, status: number, sealedResponse: Buffer): Promise<void> {
    await this.pool.query(
      'UPDATE idempotency_key SET status = $3, sealed_response = $4 WHERE token_id = $1 AND key = $2',
      [tokenId, key, status, sealedResponse],
    );
  }

  /** A failed request leaves its key free, so that the corrected one may use it. */
  async release({ tokenId, key }: IdempotencyKeyId): Promise<void> {
    await this.pool.query('DELETE FROM idempotency_key WHERE token_id = $1 AND key = $2 AND status IS NULL', [
      tokenId,
      key,
    ]);
  }

  async deleteExpired(): Promise<void> {
    await this.pool.query(`DELETE FROM idempotency_key WHERE created_at < now() - interval '24 hours'`);
  }
}
