import { Injectable } from '@nestjs/common';
import type { Labels } from '@synscope/api-contract';
import type { DesiredSession } from '@synscope/protocol';
import { matches, parseSelector } from '@synscope/selector';
import type { EntityManager } from 'typeorm';
import { ChangeFeed } from '../change-feed/change-feed.js';
import { toDesiredSession } from './session-spec.js';
import { type ReportedStatus, SessionTargetStore } from './session-target.store.js';
import { StatusReports } from './status-reports.js';

export type { ReportedStatus } from './session-target.store.js';

/** Everything that one agent should be running. */
export interface Desired {
  readonly revision: bigint;
  readonly sessions: readonly DesiredSession[];
}

/** An agent at the begin of a stream, as far as sessions are concerned. */
export interface ArrivedAgent {
  readonly agentId: string;
  readonly labels: Labels;
  readonly newBoot: boolean;
  /** Every session that it holds. */
  readonly held: readonly ReportedStatus[];
}

/** What agents have to do with sessions, for the features that know agents: the link, and the administration of agents. */
@Injectable()
export class SessionTargets {
  constructor(
    private readonly store: SessionTargetStore,
    private readonly reports: StatusReports,
    private readonly changes: ChangeFeed,
  ) {}

  /** Brings the rows in line with what the agent holds, and matches it with sessions that began without it. Those that it runs and nobody asked it for. */
  async agentArrived(
    manager: EntityManager,
    { agentId, labels, newBoot, held }: ArrivedAgent,
  ): Promise<readonly string[]> {
    await this.store.lockTargetsOf(manager, agentId);
    if (newBoot) await this.store.beginBoot(manager, agentId);
    const outcomes = await this.store.applyStatuses(manager, [{ agentId, statuses: held }]);
    const absent = await this.store.reconcileAbsent(
      manager,
      agentId,
      held.map((status) => status.sessionId),
    );
    await this.announce(manager, [...outcomes.map((outcome) => outcome.sessionId), ...absent]);
    await this.labelsChanged(manager, agentId, labels);
    return unasked(held, outcomes);
  }

  /** Sessions that match the labels now begin on the agent; those that no longer do end there. */
  async labelsChanged(manager: EntityManager, agentId: string, labels: Labels): Promise<void> {
    await this.store.lockTargetsOf(manager, agentId);
    await this.store.lockMatching(manager, 'agent');
    const changed: string[] = [];
    for (const { sessionId, selector, closed, target } of await this.store.openSessionsFor(
      manager,
      agentId,
    )) {
      const matched = matches(parseSelector(selector), labels);
      if (target === null) {
        if (!matched || closed) continue;
        await this.store.join(manager, agentId, sessionId);
      } else {
        const desired = matched ? 'running' : 'ended';
        if (target.ended || target.desired === desired) continue;
        await this.store.setDesired(manager, agentId, [sessionId], desired);
      }
      changed.push(sessionId);
    }
    await this.announce(manager, changed);
  }

  async agentRevoked(manager: EntityManager, agentId: string): Promise<void> {
    await this.store.lockTargetsOf(manager, agentId);
    await this.announce(manager, await this.store.failAll(manager, agentId, 'the agent was revoked'));
  }

  /** Takes in what the agent says about its sessions. Those that it runs and nobody asked it for. */
  async statusesReported(agentId: string, statuses: readonly ReportedStatus[]): Promise<readonly string[]> {
    return unasked(statuses, await this.reports.add({ agentId, statuses }));
  }

  /** What each of these agents should be running now. */
  async desiredOf(agentIds: readonly string[]): Promise<ReadonlyMap<string, Desired>> {
    const revision = await this.store.nextRevision();
    const pairs = await this.store.desiredOf(agentIds);
    const ofAgent = Map.groupBy(pairs, (pair) => pair.agentId);
    const stored = await this.store.sessions([...new Set(pairs.map((pair) => pair.sessionId))]);
    const sessions = new Map(stored.map(({ id, spec, endsAt }) => [id, toDesiredSession(id, spec, endsAt)]));
    return new Map(
      agentIds.map((agentId) => {
        const desired = (ofAgent.get(agentId) ?? []).map(({ sessionId }) => sessions.get(sessionId));
        return [agentId, { revision, sessions: desired.filter((session) => session !== undefined) }];
      }),
    );
  }

  agentsOf(sessionId: string): Promise<readonly string[]> {
    return this.store.agentsOf(sessionId);
  }

  /** The look at the sessions follows when the hint comes back, which is after the commit. */
  private async announce(manager: EntityManager, sessionIds: readonly string[]): Promise<void> {
    await this.changes.announce(
      manager,
      sessionIds.map((id) => ({ kind: 'session', id })),
    );
  }
}

/** Sessions that are running by these statuses, and are none of the agent's. */
function unasked(
  statuses: readonly ReportedStatus[],
  outcomes: readonly { readonly sessionId: string }[],
): readonly string[] {
  const known = new Set(outcomes.map(({ sessionId }) => sessionId));
  return statuses
    .filter(({ sessionId, state }) => (state === 'pending' || state === 'running') && !known.has(sessionId))
    .map(({ sessionId }) => sessionId);
}
