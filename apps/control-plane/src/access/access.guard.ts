import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Role } from '@synscope/api-contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { forbidden, unauthenticated } from './access.errors.js';
import { mayActAs, rememberActor } from './actor.js';
import { ApiTokenService } from './api-token.service.js';
import { bearerTokenOf } from './bearer-token.js';
import { RequestLimits } from './request-limits.js';
import { REQUIRED_ROLE } from './require-role.js';

@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: ApiTokenService,
    private readonly limits: RequestLimits,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const required = this.reflector.getAllAndOverride<Role | 'public' | undefined>(REQUIRED_ROLE, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (required === 'public') return true;
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const secret = bearerTokenOf(request);
    if (secret === undefined) throw unauthenticated('Send the header `Authorization: Bearer <token>`');
    this.limits.beforeLookUp(request, reply, secret);
    const actor = await this.tokens.authenticate(secret);
    if (!actor) {
      this.limits.afterFailure(request, secret);
      throw unauthenticated('The token is unknown, deleted or expired');
    }
    this.limits.afterSuccess(reply, secret);
    if (!required || !mayActAs(actor, required)) throw forbidden(actor.role, required ?? 'admin');
    rememberActor(request, { ...actor, source: { address: request.ip, requestId: request.id } });
    return true;
  }
}
