import { ApiError, invalidField } from '../errors/api-error.js';

export function scheduleNameTaken(name: string): ApiError {
  const message = `there is a schedule called ${JSON.stringify(name)} already; choose another name, or change that one`;
  return new ApiError('schedule_name_taken', `name: ${message}`, { errors: [{ path: 'name', message }] });
}

/** `reason` is the parser's. */
export function invalidCron(cron: string, reason: string): ApiError {
  return invalidField('cron', `${JSON.stringify(cron)} cannot be read: ${reason}`);
}

export function neverDue(cron: string): ApiError {
  return invalidField(
    'cron',
    `${JSON.stringify(cron)} is never due: no day fits it, as with the 30th of February; change its day of the month or its month`,
  );
}

export function tooOften(periodSeconds: number, minimumSeconds: number): ApiError {
  return invalidField(
    'cron',
    `is due after ${periodSeconds} s already, and ${minimumSeconds} s is the shortest period; space its seconds out, or trace for longer in one session`,
  );
}

export function jitterTooLong(periodSeconds: number): ApiError {
  return invalidField(
    'jitterSeconds',
    `is longer than the shortest time between two runs; ${periodSeconds} at most`,
  );
}

/** What is wrong with the trace session that a schedule shall start, in the words of the schedule's body. */
export function inSession(error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  const errors = (error.errors ?? []).map(({ path, message }) => ({ path: `session.${path}`, message }));
  return new ApiError(error.code, `session.${error.message}`, { errors, cause: error });
}
