import { createHash, randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';

// So that people and secret scanners recognise one.
const PREFIX = 'syn_';
const RANDOM_BYTES = 32;

export function newTokenSecret(): string {
  return PREFIX + randomBytes(RANDOM_BYTES).toString('base64url');
}

/** What is stored in place of a secret. SHA-256 is enough, as the secret has 256 random bits. */
export function hashTokenSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

export function bearerTokenOf(request: FastifyRequest): string | undefined {
  return /^Bearer +([\w.~+/=-]{1,200})$/i.exec(request.headers.authorization ?? '')?.[1];
}
