import { Injectable } from '@nestjs/common';
import {
  type Agent,
  type AgentCost,
  formatDate,
  type Labels,
  type Loss,
  NO_LOSS,
} from '@synscope/api-contract';
import type { Selector } from '@synscope/selector';
import { DataSource, type EntityManager } from 'typeorm';
import { AgentLiveness } from '../agent-liveness/agent-liveness.js';
import { labelCondition } from '../database/label-condition.js';
import { LossSummaryStore } from '../loss-summaries/loss-summary.store.js';

/** As AgentBootStore writes it. */
interface CopiedIdentity {
  readonly hostname: string;
  readonly sameHost: boolean;
  readonly since: string;
  readonly lastAt: string;
  readonly refused: number;
}

interface AgentRow {
  readonly id: string;
  readonly hostname: string;
  readonly online: boolean;
  readonly labels: Labels;
  readonly agentVersion: string | null;
  readonly kernel: string | null;
  readonly architecture: string | null;
  readonly capabilities: Agent['capabilities'];
  readonly copied: CopiedIdentity | null;
  readonly enrolledAt: Date;
  readonly lastSeenAt: Date | null;
  readonly revokedAt: Date | null;
  readonly clockOffsetUs: string | null;
  readonly clockOffsetUncertaintyUs: string | null;
  readonly cost: AgentCost | null;
}

const AGENT_COLUMNS = `
  id, hostname, labels, agent_version AS "agentVersion", kernel, architecture, capabilities,
  CASE WHEN (copied->>'lastAt')::timestamptz > now() - interval '24 hours' THEN copied END AS copied, enrolled_at AS "enrolledAt",
  last_seen_at AS "lastSeenAt", revoked_at AS "revokedAt", clock_offset_us AS "clockOffsetUs",
  clock_offset_uncertainty_us AS "clockOffsetUncertaintyUs", cost`;

export interface AgentFilter {
  readonly selector: Selector;
  readonly status: Agent['status'] | undefined;
  readonly includeRevoked: boolean;
}

/** The rows of agents as the REST API reads and changes them. */
@Injectable()
export class AgentStore {
  constructor(
    private readonly database: DataSource,
    private readonly liveness: AgentLiveness,
    private readonly losses: LossSummaryStore,
  ) {}

  /** Newest first. */
  async list(filter: AgentFilter, afterId: string | null, limit: number): Promise<Agent[]> {
    const condition = labelCondition(filter.selector, 'labels', 6);
    const rows: AgentRow[] = await this.database.query(
      `SELECT * FROM (SELECT ${AGENT_COLUMNS}, ${this.liveness.onlineSql('agent', '$1')} AS online FROM agent
                       WHERE ($2 OR revoked_at IS NULL) AND ($3::uuid IS NULL OR id < $3) AND ${condition.sql}) AS found
        WHERE $4::boolean IS NULL OR online = $4
        ORDER BY id DESC LIMIT $5`,
      [
        this.liveness.offlineAfterSeconds,
        filter.includeRevoked,
        afterId,
        filter.status === undefined ? null : filter.status === 'online',
        limit,
        ...condition.parameters,
      ],
    );
    return this.withLoss(rows);
  }

  async find(id: string): Promise<Agent | null> {
    const rows: AgentRow[] = await this.database.query(
      `SELECT ${AGENT_COLUMNS}, ${this.liveness.onlineSql('agent', '$1')} AS online FROM agent WHERE id = $2`,
      [this.liveness.offlineAfterSeconds, id],
    );
    const [agent] = await this.withLoss(rows);
    return agent ?? null;
  }

  /** Sets labels over those of the agent and its join token; null takes one away. All labels before and after, or null without such an agent. */
  async assignLabels(
    manager: EntityManager,
    id: string,
    labels: Readonly<Record<string, string | null>>,
  ): Promise<{ readonly before: Labels; readonly after: Labels } | null> {
    const present: { readonly labels: Labels }[] = await manager.query(
      'SELECT labels FROM agent WHERE id = $1 AND revoked_at IS NULL FOR NO KEY UPDATE',
      [id],
    );
    const [rows] = (await manager.query(
      `UPDATE agent SET assigned_labels = assigned_labels || $2::jsonb
        WHERE id = $1 AND revoked_at IS NULL RETURNING labels`,
      [id, JSON.stringify(labels)],
    )) as [{ readonly labels: Labels }[], number];
    return present[0] && rows[0] ? { before: present[0].labels, after: rows[0].labels } : null;
  }

  /** What it was; null if there was none that was not revoked yet. */
  async revoke(
    manager: EntityManager,
    id: string,
  ): Promise<{ readonly hostname: string; readonly labels: Labels } | null> {
    const [rows] = (await manager.query(
      `UPDATE agent SET revoked_at = now(), link_id = NULL WHERE id = $1 AND revoked_at IS NULL
       RETURNING hostname, labels`,
      [id],
    )) as [{ readonly hostname: string; readonly labels: Labels }[], number];
    return rows[0] ?? null;
  }

  private async withLoss(rows: readonly AgentRow[]): Promise<Agent[]> {
    const losses = await this.losses.ofAgents(rows.map((row) => row.id));
    return rows.map((row) => toAgent(row, losses.get(row.id) ?? NO_LOSS));
  }
}

function copiedWarning({
  hostname,
  sameHost,
  since,
  lastAt,
  refused,
}: CopiedIdentity): Agent['warnings'][number] {
  const times = refused === 1 ? 'once' : `${refused} times`;
  return {
    code: 'identity_copied',
    message: sameHost
      ? `Two agents run on ${hostname} with this identity; one was refused ${times}. End it, or give it a data directory of its own.`
      : `The host ${hostname} has a copy of this agent’s identity (of its data directory, an image or a backup) and was refused ${times}. Start its agent with a join token: it becomes an agent of its own.`,
    since: formatDate(new Date(since)),
    lastAt: formatDate(new Date(lastAt)),
  };
}

function toAgent(row: AgentRow, loss: Loss): Agent {
  return {
    id: row.id,
    hostname: row.hostname,
    status: row.online ? 'online' : 'offline',
    labels: row.labels,
    agentVersion: row.agentVersion,
    kernel: row.kernel,
    architecture: row.architecture,
    capabilities: row.capabilities,
    warnings: row.copied === null ? [] : [copiedWarning(row.copied)],
    enrolledAt: formatDate(row.enrolledAt),
    lastSeenAt: row.lastSeenAt && formatDate(row.lastSeenAt),
    revokedAt: row.revokedAt && formatDate(row.revokedAt),
    clockOffsetUs: row.clockOffsetUs === null ? null : Number(row.clockOffsetUs),
    clockOffsetUncertaintyUs:
      row.clockOffsetUncertaintyUs === null ? null : Number(row.clockOffsetUncertaintyUs),
    cost: row.cost,
    loss,
  };
}
