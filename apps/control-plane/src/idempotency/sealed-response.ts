import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * An answer may hold a secret that is shown once (a new token), so it is stored encrypted under a key made from the caller's bearer
 * token: the database, which knows only the token's hash, cannot open it, and a retry with the same token can. AES-256-GCM.
 */
export function sealResponse(body: string, bearerToken: string, idempotencyKey: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', sealingKey(bearerToken, idempotencyKey), nonce);
  const sealed = Buffer.concat([cipher.update(body, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

export function openResponse(sealed: Buffer, bearerToken: string, idempotencyKey: string): string {
  const decipher = createDecipheriv(
    'aes-256-gcm',
    sealingKey(bearerToken, idempotencyKey),
    sealed.subarray(0, NONCE_BYTES),
  );
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return Buffer.concat([
    decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)),
    decipher.final(),
  ]).toString('utf8');
}

function sealingKey(bearerToken: string, idempotencyKey: string): Buffer {
  return Buffer.from(hkdfSync('sha256', bearerToken, idempotencyKey, 'synscope idempotent response', 32));
}
