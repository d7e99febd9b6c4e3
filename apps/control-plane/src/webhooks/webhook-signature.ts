import { createHmac, randomBytes } from 'node:crypto';

const SECRET_BYTES = 32;
const PREFIX = 'whsec_';

export function newWebhookSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

/** As whoever verifies signatures is given it. */
export function formatWebhookSecret(secret: Buffer): string {
  return PREFIX + secret.toString('base64');
}

export interface SignedMessage {
  readonly id: string;
  /** Seconds since the Unix epoch. */
  readonly timestamp: number;
  readonly body: string;
}

/** The webhook-signature header: one signature per secret. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export function signatureHeader({ id, timestamp, body }: SignedMessage, secrets: readonly Buffer[]): string {
  return secrets
    .map((secret) => createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64'))
    .map((signature) => `v1,${signature}`)
    .join(' ');
}
