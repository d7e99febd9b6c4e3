import { type ApiError, invalidField } from '../errors/api-error.js';

export function tooManySteps(steps: number, maximum: number): ApiError {
  return invalidField(
    'step',
    `this window would have ${steps} steps, more than ${maximum}; ask for a longer step or a shorter window`,
  );
}
