import { ApiError, invalidField } from '../errors/api-error.js';

export function webhookNameTaken(name: string): ApiError {
  const message = `there is a webhook called ${JSON.stringify(name)} already; choose another name, or change that one`;
  return new ApiError('webhook_name_taken', `name: ${message}`, { errors: [{ path: 'name', message }] });
}

export function tooManyWebhooks(most: number): ApiError {
  return new ApiError(
    'conflict',
    `There are ${most} webhooks, which is the most; delete one that is not needed`,
  );
}

/** `reason` says what is wrong with it and which setting would allow it. */
export function urlRefused(reason: string): ApiError {
  return invalidField('url', `nothing is sent there: ${reason}`);
}

export function webhookDisabled(name: string): ApiError {
  return new ApiError(
    'webhook_disabled',
    `The webhook ${JSON.stringify(name)} is disabled, so nothing is sent; enable it first: PATCH {"enabled": true}`,
  );
}
