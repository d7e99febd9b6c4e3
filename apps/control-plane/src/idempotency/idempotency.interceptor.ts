import { createHash } from 'node:crypto';
import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  Logger,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { actorOf } from '../access/actor.js';
import { bearerTokenOf } from '../access/bearer-token.js';
import { invalidField } from '../errors/api-error.js';
import { IDEMPOTENT } from '../http/endpoint.js';
import { canonicalJson } from '../lists/cursor.js';
import { idempotencyKeyInFlight, idempotencyKeyReused } from './idempotency.errors.js';
import { type IdempotencyKeyId, IdempotencyStore } from './idempotency.store.js';
import { openResponse, sealResponse } from './sealed-response.js';

/** Lets a client repeat a creating request safely: with the same Idempotency-Key it gets the first answer again. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  private readonly logger = new Logger(IdempotencyInterceptor.name);

  constructor(
    private readonly reflector: Reflector,
    private readonly store: IdempotencyStore,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const key = request.headers['idempotency-key'];
    const idempotent = this.reflector.get<boolean | undefined>(IDEMPOTENT, context.getHandler());
    if (key === undefined || !idempotent) return next.handle();
    if (typeof key !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(key)) {
      throw invalidField('Idempotency-Key', 'expected 1 to 255 printable ASCII characters');
    }
    return from(this.handle(key, request, context.switchToHttp().getResponse<FastifyReply>(), next));
  }

  private async handle(
    key: string,
    request: FastifyRequest,
    reply: FastifyReply,
    next: CallHandler,
  ): Promise<unknown> {
    const actor = actorOf(request);
    const bearerToken = bearerTokenOf(request);
    if (!actor || bearerToken === undefined) throw new Error('Idempotency-Key on a public route');
    const id = { tokenId: actor.tokenId, key };
    const requestHash = hashRequest(request);
    const claim = await this.store.claim(id, requestHash);
    if (claim.state !== 'claimed') {
      if (!claim.requestHash.equals(requestHash)) throw idempotencyKeyReused();
      if (claim.state === 'in_flight') throw idempotencyKeyInFlight();
      reply.status(claim.status).header('idempotent-replayed', 'true');
      return JSON.parse(openResponse(claim.sealedResponse, bearerToken, key));
    }
    return this.runOnce(id, bearerToken, reply, next);
  }

  private async runOnce(
    id: IdempotencyKeyId,
    bearerToken: string,
    reply: FastifyReply,
    next: CallHandler,
  ): Promise<unknown> {
    let answer: unknown;
    try {
      answer = await lastValueFrom(next.handle(), { defaultValue: undefined });
    } catch (error) {
      await this.store.release(id).catch((failure: unknown) => this.warn('release', failure));
      throw error;
    }
    // The thing is created: a failure to remember the answer must not turn it into an error.
    const sealed = sealResponse(JSON.stringify(answer ?? null), bearerToken, id.key);
    await this.store
      .complete(id, reply.statusCode, sealed)
      .catch((failure: unknown) => this.warn('completion', failure));
    return answer;
  }

  private warn(what: string, error: unknown): void {
    this.logger.warn(`${what} of an Idempotency-Key failed: ${String(error)}`);
  }
}

function hashRequest(request: FastifyRequest): Buffer {
  const body = canonicalJson(request.body ?? null);
  return createHash('sha256').update(`${request.method} ${request.url}\n${body}`).digest();
}
