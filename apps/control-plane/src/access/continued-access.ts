import { performance } from 'node:perf_hooks';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { unauthenticated } from './access.errors.js';
import { ApiTokenService } from './api-token.service.js';
import { bearerTokenOf } from './bearer-token.js';
import { RequestLimits } from './request-limits.js';

/** As streams of live results look again. Milliseconds. */
const LOOK_INTERVAL_MS = 15_000;

/** For answers that take long: whether whoever asked may still read. A token may expire or be deleted meanwhile. */
@Injectable()
export class ContinuedAccess {
  constructor(
    private readonly tokens: ApiTokenService,
    private readonly limits: RequestLimits,
  ) {}

  async isAllowed(request: FastifyRequest): Promise<boolean> {
    const secret = bearerTokenOf(request);
    return secret !== undefined && (await this.tokens.authenticate(secret)) !== null;
  }

  /** What is read for one request piece by piece: each piece but the first counts as a request. Throws when the token works no more. */
  async *whileAllowed<T>(
    request: FastifyRequest,
    pieces: AsyncGenerator<T, void, undefined>,
  ): AsyncGenerator<T, void, undefined> {
    let lookedAtMs = performance.now();
    let isFirst = true;
    for await (const piece of pieces) {
      if (!isFirst) this.limits.charge(request);
      isFirst = false;
      if (performance.now() - lookedAtMs >= LOOK_INTERVAL_MS) {
        if (!(await this.isAllowed(request))) throw unauthenticated('The token has expired or was deleted');
        lookedAtMs = performance.now();
      }
      yield piece;
    }
  }
}
