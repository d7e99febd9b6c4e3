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
