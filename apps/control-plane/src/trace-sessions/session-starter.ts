import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Actor } from '../access/actor.js';
import { notFound } from '../errors/api-error.js';
import { SessionChangeRecorder } from './session-change-recorder.js';
import type { CheckedSpec } from './session-spec.js';
import { SessionTargetStore } from './session-target.store.js';
import { slotsTaken } from './trace-session.errors.js';
import { TraceSessionStore } from './trace-session.store.js';

/** How many agents without a slot an error names. */
const MAX_NAMED_AGENTS = 3;

/** Starts and stops sessions. An agent that is offline becomes a target too, and begins when it is back. */
@Injectable()
export class SessionStarter {
  constructor(
    private readonly database: DataSource,
    private readonly sessions: TraceSessionStore,
    private readonly targets: SessionTargetStore,
    private readonly record: SessionChangeRecorder,
  ) {}

  /** The new session's id. */
  async start(name: string | null, { spec, selector }: CheckedSpec, actor: Actor): Promise<string> {
    const id = uuidv7();
    await this.database.transaction(async (manager) => {
      await this.targets.lockMatching(manager, 'session');
      const full = await this.targets.withoutSlot(manager, selector);
      if (full.length > 0) {
        throw slotsTaken(
          full.slice(0, MAX_NAMED_AGENTS).map((agent) => agent.hostname),
          full.length,
        );
      }
      const createdBy = actor.kind === 'token' ? actor.tokenId : null;
      await this.sessions.insert(manager, { id, name, spec, createdBy });
      const matched = await this.targets.insertMatching(manager, id, selector);
      await this.record.changed(manager, actor, {
        id,
        action: 'trace_session.create',
        detail: { name, spec, matched },
      });
    });
    this.record.started(spec.durationSeconds);
    return id;
  }

  async stop(id: string, actor: Actor): Promise<void> {
    await this.database.transaction(async (manager) => {
      const stopped = await this.sessions.stop(manager, id);
      if (stopped === null) throw notFound('trace session', id);
      if (!stopped) return;
      await this.targets.release(manager, id);
      await this.record.changed(manager, actor, { id, action: 'trace_session.stop' });
    });
  }
}
