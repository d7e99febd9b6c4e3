import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';

/** A process that speaks, or spoke, for an agent. */
export interface AgentBoot {
  readonly bootId: string;
  readonly hostname: string;
  /** Which boot of which host; null if it did not say. */
  readonly hostBootId: string | null;
}

export interface KnownBoot extends AgentBoot {
  readonly seenAt: Date;
  readonly isCopy: boolean;
}

/** Earlier processes that are kept of each agent. */
const KEPT = 16;

/** Which processes have spoken for an agent, so that two that live by one identity are found. Call it while the row of the agent is locked. */
@Injectable()
export class AgentBootStore {
  async recall(manager: EntityManager, agentId: string, bootId: string): Promise<KnownBoot | null> {
    const rows: KnownBoot[] = await manager.query(
      `SELECT boot_id AS "bootId", hostname, host_boot_id AS "hostBootId", seen_at AS "seenAt", is_copy AS "isCopy"
         FROM agent_boot WHERE agent_id = $1 AND boot_id = $2`,
      [agentId, bootId],
    );
    return rows[0] ?? null;
  }

  /** Another process speaks for the agent from now on. */
  async remember(
    manager: EntityManager,
    agentId: string,
    { bootId, hostname, hostBootId, seenAt }: Omit<KnownBoot, 'isCopy'>,
  ): Promise<void> {
    await manager.query(
      `INSERT INTO agent_boot (agent_id, boot_id, seen_at, hostname, host_boot_id) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT DO NOTHING`,
      [agentId, bootId, seenAt, hostname, hostBootId],
    );
    await manager.query(
      `DELETE FROM agent_boot WHERE agent_id = $1 AND boot_id NOT IN
         (SELECT boot_id FROM agent_boot WHERE agent_id = $1 ORDER BY seen_at DESC LIMIT $2)`,
      [agentId, KEPT],
    );
  }

  /** This process lives by a copy of the agent's identity. Whether that is news. */
  async isCopy(
    manager: EntityManager,
    agentId: string,
    { bootId, hostname, hostBootId }: AgentBoot,
    sameHost: boolean,
  ): Promise<boolean> {
    const known = await this.recall(manager, agentId, bootId);
    await manager.query(
      `INSERT INTO agent_boot (agent_id, boot_id, seen_at, hostname, host_boot_id, is_copy) VALUES ($1, $2, now(), $3, $4, TRUE)
       ON CONFLICT (agent_id, boot_id) DO UPDATE SET is_copy = TRUE`,
      [agentId, bootId, hostname, hostBootId],
    );
    await manager.query(
      `UPDATE agent SET copied = jsonb_build_object('hostname', $2::text, 'sameHost', $3::boolean,
                'since', CASE WHEN copied->>'hostname' = $2 THEN copied->'since' ELSE to_jsonb(now()) END,
                'lastAt', now(),
                'refused', CASE WHEN copied->>'hostname' = $2 THEN (copied->>'refused')::int ELSE 0 END + 1)
        WHERE id = $1`,
      [agentId, hostname, sameHost],
    );
    return known?.isCopy !== true;
  }
}
