import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ROLES, type Role } from '@synscope/api-contract';
import type { FastifyRequest } from 'fastify';

/** Who does something: the holder of an API token, or the control plane by itself. */
export type Actor = TokenActor | SystemActor;

export interface TokenActor {
  readonly kind: 'token';
  readonly tokenId: string;
  readonly name: string;
  readonly role: Role;
  /** Null for a token that does not expire. */
  readonly expiresAt: Date | null;
  /** Where the request came from. Absent for a token that was looked up without one. */
  readonly source?: RequestSource;
}

export interface RequestSource {
  readonly address: string;
  /** The `x-request-id` of the answer. */
  readonly requestId: string;
}

export interface SystemActor {
  readonly kind: 'system';
  /** The part of the control plane, for example `session-expiry`. */
  readonly name: string;
}

export function mayActAs(actor: TokenActor, required: Role): boolean {
  return ROLES.indexOf(actor.role) >= ROLES.indexOf(required);
}

const actors = new WeakMap<FastifyRequest, TokenActor>();

export function rememberActor(request: FastifyRequest, actor: TokenActor): void {
  actors.set(request, actor);
}

/** Undefined on public routes. */
export function actorOf(request: FastifyRequest): TokenActor | undefined {
  return actors.get(request);
}

/** The caller, as a parameter of a handler. */
export const CurrentActor = createParamDecorator((_: unknown, context: ExecutionContext): TokenActor => {
  const actor = actorOf(context.switchToHttp().getRequest<FastifyRequest>());
  if (!actor) throw new Error('@CurrentActor() on a public route');
  return actor;
});
