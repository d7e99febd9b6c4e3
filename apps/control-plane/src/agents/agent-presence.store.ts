import { Injectable } from '@nestjs/common';
import type { AgentCost, Labels } from '@synscope/api-contract';
import { DataSource, type EntityManager } from 'typeorm';

export interface NewAgent {
  readonly id: string;
  readonly hostname: string;
  readonly publicKeyHash: Buffer;
  readonly joinTokenId: string;
  readonly reportedLabels: Labels;
  readonly tokenLabels: Labels;
}

/** The agent's clock less ours. */
export interface ClockOffset {
  readonly us: number;
  /** Null if it was measured over one way, which is then in it. */
  readonly uncertaintyUs: number | null;
}

export interface SignOfLife {
  readonly agentId: string;
  readonly linkId: string;
  readonly clockOffset: ClockOffset | null;
  readonly cost: AgentCost | null;
}

export interface LinkOwner {
  readonly agentId: string;
  readonly linkId: string | null;
  readonly revoked: boolean;
}

/** The rows of agents as enrolment and the link write them. */
@Injectable()
export class AgentPresenceStore {
  constructor(private readonly database: DataSource) {}

  async insert(manager: EntityManager, agent: NewAgent): Promise<void> {
    await manager.query(
      `INSERT INTO agent (id, hostname, public_key_hash, join_token_id, reported_labels, token_labels)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [
        agent.id,
        agent.hostname,
        agent.publicKeyHash,
        agent.joinTokenId,
        JSON.stringify(agent.reportedLabels),
        JSON.stringify(agent.tokenLabels),
      ],
    );
  }

  /** Takes over an identity that is known with this public key. */
  async enrolAgain(manager: EntityManager, agent: NewAgent): Promise<'taken_over' | 'revoked' | 'unknown'> {
    const rows: { readonly revoked: boolean }[] = await manager.query(
      `SELECT revoked_at IS NOT NULL AS revoked FROM agent
        WHERE id = $1 AND (public_key_hash = $2 OR next_public_key_hash = $2) FOR NO KEY UPDATE`,
      [agent.id, agent.publicKeyHash],
    );
    if (rows[0] === undefined) return 'unknown';
    if (rows[0].revoked) return 'revoked';
    await manager.query(
      `UPDATE agent SET hostname = $2, join_token_id = $3, reported_labels = $4, token_labels = $5,
              public_key_hash = $6, next_public_key_hash = NULL WHERE id = $1`,
      [
        agent.id,
        agent.hostname,
        agent.joinTokenId,
        JSON.stringify(agent.reportedLabels),
        JSON.stringify(agent.tokenLabels),
        agent.publicKeyHash,
      ],
    );
    return 'taken_over';
  }

  async labelsOf(manager: EntityManager, agentId: string): Promise<Labels> {
    const rows: { readonly labels: Labels }[] = await manager.query(
      'SELECT labels FROM agent WHERE id = $1',
      [agentId],
    );
    return rows[0]?.labels ?? {};
  }

  /** A successor is issued for this key; the present one stays good until a stream is opened with it. */
  async offerSuccessor(agentId: string, publicKeyHash: Buffer): Promise<void> {
    await this.database.query(
      'UPDATE agent SET next_public_key_hash = nullif($2::bytea, public_key_hash) WHERE id = $1',
      [agentId, publicKeyHash],
    );
  }

  /** Writes many heartbeats at once. Sorted, so that two replicas never lock the same rows in opposite orders. */
  async recordSignsOfLife(signs: readonly SignOfLife[]): Promise<void> {
    const rows = signs.toSorted((left, right) => (left.agentId < right.agentId ? -1 : 1));
    await this.database.query(
      `UPDATE agent SET last_seen_at = now(), boot_alive = TRUE, cost = coalesce(sign.cost, agent.cost),
              clock_offset_us = coalesce((sign."clockOffset"->>'us')::bigint, clock_offset_us),
              clock_offset_uncertainty_us = CASE WHEN sign."clockOffset" IS NULL THEN clock_offset_uncertainty_us
                                                 ELSE (sign."clockOffset"->>'uncertaintyUs')::bigint END
         FROM jsonb_to_recordset($1::jsonb)
           AS sign ("agentId" uuid, "linkId" uuid, "clockOffset" jsonb, cost jsonb)
        WHERE agent.id = sign."agentId" AND agent.link_id = sign."linkId"`,
      [JSON.stringify(rows)],
    );
  }

  /** The stream has ended. Nothing changes if another one has taken over. */
  async leave(agentId: string, linkId: string): Promise<boolean> {
    const [, affected] = (await this.database.query(
      'UPDATE agent SET link_id = NULL WHERE id = $1 AND link_id = $2',
      [agentId, linkId],
    )) as [unknown, number];
    return affected === 1;
  }

  /** Which streams speak for these agents now. */
  async linkOwners(agentIds: readonly string[]): Promise<readonly LinkOwner[]> {
    return this.database.query(
      `SELECT id AS "agentId", link_id AS "linkId", revoked_at IS NOT NULL AS revoked FROM agent WHERE id = ANY($1)`,
      [agentIds],
    );
  }
}
