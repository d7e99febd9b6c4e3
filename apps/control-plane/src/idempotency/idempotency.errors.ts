import { ApiError } from '../errors/api-error.js';

export function idempotencyKeyReused(): ApiError {
  return new ApiError(
    'idempotency_key_reused',
    'This Idempotency-Key was used for a request with another body or address; take a new key',
  );
}

export function idempotencyKeyInFlight(): ApiError {
  return new ApiError(
    'idempotency_key_in_flight',
    'The first request with this Idempotency-Key is still under way; try again',
    {
      headers: { 'retry-after': '1' },
    },
  );
}
