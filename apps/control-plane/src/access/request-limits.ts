import { performance } from 'node:perf_hooks';
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Counter } from 'prom-client';
import { Configuration } from '../config/configuration.js';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import { tooManyFailures, tooManyRequests } from './access.errors.js';
import { bearerTokenOf, hashTokenSecret } from './bearer-token.js';
import { clientNetwork } from './client-address.js';
import { type Allowance, TokenBuckets } from './token-buckets.js';

/** About 1 MB each. */
const MAXIMUM_BUCKETS = 10_000;

/**
 * How much each API token may ask of this replica, and how often an address may come with tokens that do not work. Both are kept in
 * memory, without a word to the database or to other replicas: what they keep away is to cost nothing (decision 25).
 */
@Injectable()
export class RequestLimits {
  /** By the hash of the secret: tokens that worked at their last use. */
  private readonly tokens: TokenBuckets;
  private readonly failures: TokenBuckets;
  private readonly perMinute: number;
  private readonly refused: Counter<'limit'>;

  constructor(configuration: Configuration, registry: MetricsRegistry) {
    const common = { maximumBuckets: MAXIMUM_BUCKETS, now: () => performance.now() };
    this.perMinute = configuration.rateLimitPerMinute;
    this.tokens = new TokenBuckets({ ...common, perMinute: this.perMinute });
    this.failures = new TokenBuckets({
      ...common,
      perMinute: configuration.failedAuthenticationsPerMinute,
    });
    this.refused = new Counter({
      name: 'synscope_http_rate_limited_total',
      help: 'Requests that were answered 429 because their token had used up its limit, or their address had sent too many tokens that do not work.',
      labelNames: ['limit'],
      registers: [registry],
    });
    for (const limit of ['token', 'address']) this.refused.inc({ limit }, 0);
  }

  /** Before the token is looked up. Throws if its limit is used up, or if it is unknown and its address has sent too many such. */
  beforeLookUp(request: FastifyRequest, reply: FastifyReply, secret: string): void {
    const key = keyOf(secret);
    if (this.tokens.has(key)) {
      this.admit(this.tokens.take(key), reply);
      return;
    }
    // Not for tokens that worked before: many may share the address of a proxy with one script that goes wrong.
    const network = clientNetwork(request.ip);
    const { allowed, retryAfterSeconds } = this.failures.look(network);
    if (allowed) return;
    this.refused.inc({ limit: 'address' });
    throw tooManyFailures(network, retryAfterSeconds);
  }

  /** The token works. */
  afterSuccess(reply: FastifyReply, secret: string): void {
    const key = keyOf(secret);
    if (!this.tokens.has(key)) this.admit(this.tokens.take(key), reply);
  }

  afterFailure(request: FastifyRequest, secret: string): void {
    this.tokens.forget(keyOf(secret));
    this.failures.charge(clientNetwork(request.ip));
  }

  /** For work that a request causes beyond its first answer. It is never broken off for it: the token's next requests wait. */
  charge(request: FastifyRequest): void {
    const secret = bearerTokenOf(request);
    if (secret !== undefined && !this.tokens.isUnlimited) this.tokens.charge(keyOf(secret));
  }

  private admit(allowance: Allowance, reply: FastifyReply): void {
    if (this.tokens.isUnlimited) return;
    // https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/
    reply.header('ratelimit-policy', `"token";q=${this.perMinute};w=60`);
    reply.header('ratelimit', `"token";r=${allowance.remaining};t=${allowance.fullInSeconds}`);
    if (allowance.allowed) return;
    this.refused.inc({ limit: 'token' });
    throw tooManyRequests(this.perMinute, allowance.retryAfterSeconds);
  }
}

function keyOf(secret: string): string {
  return hashTokenSecret(secret).toString('base64');
}
