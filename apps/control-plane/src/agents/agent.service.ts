import { Injectable } from '@nestjs/common';
import type { Agent, AgentListQuery, AgentUpdate } from '@synscope/api-contract';
import { parseSelector, type Selector, SelectorSyntaxError } from '@synscope/selector';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import type { Actor } from '../access/actor.js';
import { invalidField, notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { SessionTargets } from '../trace-sessions/session-targets.js';
import { AgentStore } from './agent.store.js';
import { AgentChangeRecorder } from './agent-change-recorder.js';

@Injectable()
export class AgentService {
  constructor(
    private readonly database: DataSource,
    private readonly store: AgentStore,
    private readonly targets: SessionTargets,
    private readonly record: AgentChangeRecorder,
  ) {}

  list(query: AgentListQuery): KeysetList<Agent> {
    const filter = {
      selector: readSelector(query.selector ?? ''),
      status: query.status,
      includeRevoked: query.includeRevoked,
    };
    return new KeysetList({
      name: 'agents',
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit }) => {
        const agents = await this.store.list(filter, after?.[0] ?? null, limit);
        return agents.map((item) => ({ item, position: [item.id] as const }));
      },
    });
  }

  async get(id: string): Promise<Agent> {
    const agent = await this.store.find(id);
    if (agent === null) throw notFound('agent', id);
    return agent;
  }

  async update(id: string, { labels }: AgentUpdate, actor: Actor): Promise<Agent> {
    await this.database.transaction(async (manager) => {
      const changed = await this.store.assignLabels(manager, id, labels);
      if (changed === null) throw notFound('agent', id);
      await this.targets.labelsChanged(manager, id, changed.after);
      await this.record.changed(manager, actor, {
        id,
        action: 'agent.update',
        before: { labels: changed.before },
        after: { labels: changed.after },
      });
    });
    return this.get(id);
  }

  /** Ends the agent's sessions and its stream; its certificate no longer opens another. */
  async revoke(id: string, actor: Actor): Promise<void> {
    await this.database.transaction(async (manager) => {
      const before = await this.store.revoke(manager, id);
      if (before === null) throw notFound('agent', id);
      await this.targets.agentRevoked(manager, id);
      await this.record.changed(manager, actor, { id, action: 'agent.revoke', before });
    });
  }
}

function readSelector(text: string): Selector {
  try {
    return parseSelector(text);
  } catch (error) {
    if (error instanceof SelectorSyntaxError) throw invalidField('selector', error.message);
    throw error;
  }
}
