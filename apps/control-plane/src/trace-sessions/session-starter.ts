import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Actor } from '../access/actor.js';
import { Configuration } from '../config/configuration.js';
import { notFound } from '../errors/api-error.js';
import { SessionChangeRecorder } from './session-change-recorder.js';
import { SessionEnd } from './session-end.js';
import type { CheckedSpec } from './session-spec.js';
import { SessionTargetStore } from './session-target.store.js';
import { slotsTaken, tooManySessions } from './trace-session.errors.js';
import { TraceSessionStore } from './trace-session.store.js';

/** How many agents without a slot an error names. */
const MAX_NAMED_AGENTS = 3;

export interface SessionStart extends CheckedSpec {
  readonly name: string | null;
  /** Sessions that end with its begin, in the order of their ids. */
  readonly insteadOf: readonly string[];
}

/** Starts and stops sessions. An agent that is offline becomes a target too, and begins when it is back. */
@Injectable()
export class SessionStarter {
  constructor(
    private readonly database: DataSource,
    private readonly sessions: TraceSessionStore,
    private readonly targets: SessionTargetStore,
    private readonly record: SessionChangeRecorder,
    private readonly ended: SessionEnd,
    private readonly limits: Configuration,
  ) {}

  /** The new session's id. */
  async start(name: string | null, checked: CheckedSpec, actor: Actor): Promise<string> {
    const id = await this.database.transaction((manager) =>
      this.startWithin(manager, { name, ...checked, insteadOf: [] }, actor),
    );
    this.started(checked.spec.durationSeconds);
    return id;
  }

  /** The same as part of a transaction; `started` follows its commit. */
  async startWithin(
    manager: EntityManager,
    { name, insteadOf, ...checked }: SessionStart,
    actor: Actor,
  ): Promise<string> {
    // Targets before the matching, the order in which whoever brings an agent in line with the sessions locks the two.
    for (const earlier of insteadOf) await this.stopWithin(manager, earlier, actor);
    await this.targets.lockMatching(manager, 'session');
    const { spec } = checked;
    await this.checkRoom(manager);
    const full = await this.targets.withoutSlot(manager, checked);
    if (full.length > 0) {
      throw slotsTaken(
        full.slice(0, MAX_NAMED_AGENTS).map((agent) => agent.hostname),
        full.length,
      );
    }
    const id = uuidv7();
    const createdBy = actor.kind === 'token' ? actor.tokenId : null;
    await this.sessions.insert(manager, { id, name, spec, createdBy });
    const matched = await this.targets.insertChosen(manager, id, checked);
    await this.record.changed(manager, actor, {
      id,
      action: 'trace_session.create',
      after: { name, spec },
      detail: { matched },
    });
    return id;
  }

  /** Creations exclude each other, so that the limit holds exactly. */
  private async checkRoom(manager: EntityManager): Promise<void> {
    const { maxOpenSessions } = this.limits;
    if ((await this.sessions.openCount(manager)) >= maxOpenSessions) throw tooManySessions(maxOpenSessions);
  }

  /** After the commit: its end is looked at in time. */
  started(durationSeconds: number): void {
    this.record.started(durationSeconds);
  }

  async stop(id: string, actor: Actor): Promise<void> {
    const known = await this.database.transaction((manager) => this.stopWithin(manager, id, actor));
    if (!known) throw notFound('trace session', id);
  }

  /** Whether there is such a session. One that has ended stays as it is. */
  private async stopWithin(manager: EntityManager, id: string, actor: Actor): Promise<boolean> {
    const stopped = await this.sessions.stop(manager, id);
    if (stopped?.open) {
      await this.targets.release(manager, id);
      await this.ended.publish(manager, id);
      await this.record.changed(manager, actor, {
        id,
        action: 'trace_session.stop',
        before: { state: stopped.state },
        after: { state: 'stopped' },
      });
    }
    return stopped !== null;
  }
}
