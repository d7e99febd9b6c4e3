import { ApiError, invalidField } from '../errors/api-error.js';

export function thresholdNameTaken(name: string): ApiError {
  const message = `there is a threshold called ${JSON.stringify(name)} already; choose another name, or change that one`;
  return new ApiError('threshold_name_taken', `name: ${message}`, { errors: [{ path: 'name', message }] });
}

export function tooManyThresholds(most: number): ApiError {
  return new ApiError(
    'conflict',
    `There are ${most} thresholds, which is the most; delete one that is not needed`,
  );
}

/** `reason` is the parser's. */
export function invalidThresholdSelector(reason: string): ApiError {
  return invalidField('filter.selector', reason);
}
