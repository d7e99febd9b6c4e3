import type { Role } from '@synscope/api-contract';
import { ApiError } from '../errors/api-error.js';

export function unauthenticated(detail: string): ApiError {
  return new ApiError('unauthenticated', detail, {
    headers: { 'www-authenticate': 'Bearer realm="synscope"' },
  });
}

export function forbidden(held: Role, required: Role): ApiError {
  return new ApiError('forbidden', `This needs the role ${required}; the token has the role ${held}`);
}

/** 403, as the role would be enough. */
export function outlivesItsMaker(expiresAt: Date): ApiError {
  return new ApiError(
    'forbidden',
    `expiresAt: a token may not outlive the one that makes it, which expires at ${expiresAt.toISOString()}; set an earlier time`,
  );
}

export function lastAdminToken(): ApiError {
  return new ApiError(
    'last_admin_token',
    'This is the last admin token that works: without one nobody could make another. Create an admin token first, then delete this one with it',
  );
}

export function tooManyRequests(perMinute: number, retryAfterSeconds: number): ApiError {
  return new ApiError(
    'rate_limited',
    `This token has used up its ${perMinute} requests per minute (SYNSCOPE_RATE_LIMIT_PER_MINUTE); go on in ${retryAfterSeconds} s`,
    { headers: { 'retry-after': String(retryAfterSeconds) } },
  );
}

export function tooManyFailures(network: string, retryAfterSeconds: number): ApiError {
  return new ApiError(
    'rate_limited',
    `Too many requests came from ${network} with tokens that do not work; check the token, and try again in ${retryAfterSeconds} s`,
    { headers: { 'retry-after': String(retryAfterSeconds) } },
  );
}
