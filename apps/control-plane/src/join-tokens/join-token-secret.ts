import { createHash, randomBytes } from 'node:crypto';

const PREFIX = 'synj_';
const SECRET = /^[A-Za-z0-9_-]{43}$/;

/**
 * A join token is `synj_<secret>.<pin>`. The agent sends the secret (256 random bits, base64url) to enrol, after it has checked that the
 * server's chain holds a certificate authority whose public key has the pin (base64url of SHA-256 of its SubjectPublicKeyInfo). The pin
 * is no secret; it keeps an agent from giving the secret to anybody else.
 */
export function formatJoinToken(secret: string, pin: string): string {
  return `${PREFIX}${secret}.${pin}`;
}

export function newJoinTokenSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** What is kept of a secret. */
export function hashJoinTokenSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** The secret in what an agent sent: the secret part, or the whole token. Null if it cannot be one. */
export function readJoinTokenSecret(text: string): string | null {
  const withoutPrefix = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text;
  const secret = withoutPrefix.split('.', 1)[0] ?? '';
  return SECRET.test(secret) ? secret : null;
}
