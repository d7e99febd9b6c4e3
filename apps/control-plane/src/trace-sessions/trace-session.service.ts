import { Injectable } from '@nestjs/common';
import type {
  TraceSession,
  TraceSessionCreate,
  TraceSessionDryRun,
  TraceSessionListQuery,
} from '@synscope/api-contract';
import { z } from 'zod';
import type { Actor } from '../access/actor.js';
import { notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { checkSpec } from './session-spec.js';
import { SessionStarter } from './session-starter.js';
import { endedEverywhere, everyOnlineTargetBegan, SessionWaiting } from './session-waiting.js';
import { TraceSessionStore } from './trace-session.store.js';

/** How many agents the answer of a dry run names. */
const MAX_DRY_RUN_AGENTS = 1_000;

@Injectable()
export class TraceSessionService {
  constructor(
    private readonly store: TraceSessionStore,
    private readonly starter: SessionStarter,
    private readonly waiting: SessionWaiting,
  ) {}

  /** With `waitSeconds`, answers once every agent that is online runs it or has failed. */
  async create(request: TraceSessionCreate, waitSeconds: number, actor: Actor): Promise<TraceSession> {
    const id = await this.starter.start(request.name, checkSpec(request), actor);
    return this.waiting.until(() => this.read(id), everyOnlineTargetBegan, waitSeconds);
  }

  async dryRun(request: TraceSessionCreate): Promise<TraceSessionDryRun> {
    const checked = checkSpec(request);
    const { matched, online, agents } = await this.store.matching(checked, MAX_DRY_RUN_AGENTS);
    return {
      dryRun: true,
      spec: checked.spec,
      targets: { matched, online, offline: matched - online },
      agents: agents.map((agent) => ({
        agentId: agent.agentId,
        hostname: agent.hostname,
        status: agent.online ? 'online' : 'offline',
        labels: agent.labels,
      })),
    };
  }

  /** With `waitSeconds`, answers once the session has ended and what it recorded has arrived. */
  async get(id: string, waitSeconds: number): Promise<TraceSession> {
    return this.waiting.until(() => this.read(id), endedEverywhere, waitSeconds);
  }

  list(query: TraceSessionListQuery): KeysetList<TraceSession> {
    return new KeysetList({
      name: 'trace-sessions',
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit }) => {
        const sessions = await this.store.list(query.state ?? null, after?.[0] ?? null, limit);
        return sessions.map((item) => ({ item, position: [item.id] as const }));
      },
    });
  }

  /** A session that has ended stays as it is. With `waitSeconds`, answers once it has ended on every agent that is online. */
  async stop(id: string, waitSeconds: number, actor: Actor): Promise<TraceSession> {
    await this.starter.stop(id, actor);
    return this.get(id, waitSeconds);
  }

  private async read(id: string): Promise<TraceSession> {
    const session = await this.store.find(id);
    if (session === null) throw notFound('trace session', id);
    return session;
  }
}
