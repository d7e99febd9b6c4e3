import { QueryFailedError } from 'typeorm';

// SQLSTATE: class 08 is connection exceptions; 57P01–57P03 shutdown, crash and start-up; 53300 too many connections.
const UNAVAILABLE_SQLSTATE = /^(08...|57P0[123]|53300)$/;
const UNAVAILABLE_ERRNO = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);
// pg reports these without a code.
const UNAVAILABLE_MESSAGE =
  /^(Connection terminated|timeout expired|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end)/;

/** Whether an error of a query or a connect means that Postgres cannot be reached now, rather than that the query is wrong. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isDatabaseUnavailable);
  if (error instanceof QueryFailedError) return isDatabaseUnavailable(error.driverError);
  if (!(error instanceof Error)) return false;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined) return UNAVAILABLE_MESSAGE.test(error.message);
  if (UNAVAILABLE_SQLSTATE.test(code)) return true;
  return UNAVAILABLE_ERRNO.has(code) && /^(connect|read|write|getaddrinfo)/.test(syscall ?? '');
}
