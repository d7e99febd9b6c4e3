import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Role } from '@synscope/api-contract';
import type { FastifyRequest } from 'fastify';
import { forbidden, unauthenticated } from './access.errors.js';
import { mayActAs, rememberActor } from './actor.js';
import { ApiTokenService } from './api-token.service.js';
import { bearerTokenOf } from './bearer-token.js';
import { REQUIRED_ROLE } from './require-role.js';

@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: ApiTokenService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const required = this.reflector.getAllAndOverride<Role | 'public' | undefined>(REQUIRED_ROLE, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (required === 'public') return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const secret = bearerTokenOf(request);
    if (secret === undefined) throw unauthenticated('Send the header `Authorization: Bearer <token>`');
    const actor = await this.tokens.authenticate(secret);
    if (!actor) throw unauthenticated('The token is unknown, deleted or expired');
    if (!required || !mayActAs(actor, required)) throw forbidden(actor.role, required ?? 'admin');
    rememberActor(request, { ...actor, source: { address: request.ip, requestId: request.id } });
    return true;
  }
}
