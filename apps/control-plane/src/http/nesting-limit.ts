import type { FastifyInstance } from 'fastify';
import { ApiError } from '../errors/api-error.js';
import { sendProblem } from '../errors/problem.filter.js';

/** No schema asks for half of it. */
const DEEPEST = 32;

/** A body of half a million brackets is valid JSON of a megabyte, and would exhaust the stack of whoever walks it. */
export function limitNesting(fastify: FastifyInstance): void {
  fastify.addHook('preValidation', (request, reply, done) => {
    if (!isDeeperThan(request.body, DEEPEST)) return done();
    const message = `is nested deeper than ${DEEPEST} levels`;
    sendProblem(
      reply,
      new ApiError('invalid_request', `the body ${message}`, { errors: [{ path: '', message }] }),
    );
  });
}

/** Level by level, without a call for each. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  let present = [value].filter(isObject);
  for (let level = 0; present.length > 0; level++) {
    if (level >= levels) return true;
    present = present.flatMap((each) => Object.values(each).filter(isObject));
  }
  return false;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
