import { QueryFailedError } from 'typeorm';

const DEADLOCK_DETECTED = '40P01';

/** Whether Postgres broke a transaction off because it and another one waited for each other. Doing it again is all it takes. */
export function isLockConflict(error: unknown): boolean {
  const source: unknown = error instanceof QueryFailedError ? error.driverError : error;
  return source instanceof Error && 'code' in source && source.code === DEADLOCK_DETECTED;
}
