import { Injectable } from '@nestjs/common';
import type { TraceSession, TraceSessionCreate } from '@synscope/api-contract';
import type { EntityManager } from 'typeorm';
import type { Actor } from '../access/actor.js';
import { checkSpec } from './session-spec.js';
import { SessionStarter } from './session-starter.js';
import { TraceSessionStore } from './trace-session.store.js';

/** Sessions for the features that start them for somebody else, within transactions of their own. */
@Injectable()
export class SessionControl {
  constructor(
    private readonly starter: SessionStarter,
    private readonly store: TraceSessionStore,
  ) {}

  /** Throws ApiError if no such session could be started, whoever is online. */
  check(request: TraceSessionCreate): void {
    checkSpec(request);
  }

  /** The new session's id. Stops these earlier ones with it; those that have ended stay as they are. Call `started` after the commit. */
  async start(
    manager: EntityManager,
    request: TraceSessionCreate,
    actor: Actor,
    insteadOf: readonly string[] = [],
  ): Promise<string> {
    return this.starter.startWithin(manager, { name: request.name, ...checkSpec(request), insteadOf }, actor);
  }

  started(request: TraceSessionCreate): void {
    this.starter.started(request.durationSeconds);
  }

  /** Those of the sessions that have not ended, and will not within so many seconds because their time is over. */
  openAmong(
    manager: EntityManager,
    ids: readonly string[],
    endingSeconds: number,
  ): Promise<readonly string[]> {
    return this.store.openAmong(manager, ids, endingSeconds);
  }

  async find(ids: readonly string[]): Promise<ReadonlyMap<string, TraceSession>> {
    const sessions = await this.store.findAll(ids);
    return new Map(sessions.map((session) => [session.id, session]));
  }
}
