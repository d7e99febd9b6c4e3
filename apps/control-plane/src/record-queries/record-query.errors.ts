import { type ApiError, invalidField } from '../errors/api-error.js';

export function windowTooLong(longestDays: number): ApiError {
  return invalidField(
    'since',
    `figures are computed from every record, so they cover at most ${longestDays} days at once; ask for a later since or an earlier until`,
  );
}
