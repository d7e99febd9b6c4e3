import { type ApiError, invalidField } from '../errors/api-error.js';

export function windowTooLong(longestDays: number): ApiError {
  return invalidField(
    'since',
    `figures are computed from every record, so they cover at most ${longestDays} days at once; ask for a later since or an earlier until`,
  );
}

export function tooManySteps(steps: number, maximum: number): ApiError {
  return invalidField(
    'step',
    `this window would have ${steps} steps, more than ${maximum}; ask for a longer step or a shorter window`,
  );
}
