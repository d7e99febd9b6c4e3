import { HttpException } from '@nestjs/common';
import { QueryFailedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { ApiError } from './api-error.js';
import { ERROR_CODES, type ErrorCode } from './error-codes.js';
import { toApiError } from './to-api-error.js';

const withCode = (code: string, more: object = {}) =>
  Object.assign(new Error('a secret detail'), { code, ...more });

describe('error codes', () => {
  it('have the form of names, a status of 400 and above, and a title', () => {
    for (const [code, { status, title }] of Object.entries(ERROR_CODES)) {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(title).toMatch(/^[A-Z].+[^.]$/);
    }
  });

  it.each<[string, unknown, ErrorCode]>([
    ['a refused connection', withCode('ECONNREFUSED', { syscall: 'connect' }), 'database_unavailable'],
    [
      'several refused addresses',
      new AggregateError([withCode('ECONNREFUSED', { syscall: 'connect' })]),
      'database_unavailable',
    ],
    ['a shutdown of Postgres', withCode('57P01'), 'database_unavailable'],
    [
      'a lost connection without a code',
      new Error('Connection terminated unexpectedly'),
      'database_unavailable',
    ],
    [
      'a pool that found no connection',
      new Error('timeout exceeded when trying to connect'),
      'database_unavailable',
    ],
    [
      'the same by way of TypeORM',
      new QueryFailedError('SELECT', [], withCode('08006')),
      'database_unavailable',
    ],
    ['a canceled query', new QueryFailedError('SELECT', [], withCode('57014')), 'query_timeout'],
    ['a wrong query', new QueryFailedError('SELECT', [], withCode('42P01')), 'internal_error'],
    ['a missing file', withCode('ENOENT', { syscall: 'open' }), 'internal_error'],
    ['an unknown HTTP status', new HttpException('a secret detail', 418), 'internal_error'],
    ['something that is no error', 'a secret detail', 'internal_error'],
    ['nothing', undefined, 'internal_error'],
  ])('stand for %s', (_what, error, code) => {
    const apiError = toApiError(error);
    expect(apiError.code).toBe(code);
    expect(JSON.stringify(apiError.toProblem())).not.toContain('a secret detail');
    expect(apiError.toProblem().status).toBe(ERROR_CODES[code].status);
  });

  it('leave an ApiError as it is', () => {
    const error = new ApiError('not_found', 'There is no agent');
    expect(toApiError(error)).toBe(error);
  });
});
