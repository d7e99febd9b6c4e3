import { Injectable } from '@nestjs/common';
import type { Agent, Labels } from '@synscope/api-contract';
import type { EntityManager } from 'typeorm';
import { type AgentBoot, AgentBootStore } from './agent-boot.store.js';

/** What an agent says of itself at the begin of a stream. */
export interface Arrival extends AgentBoot {
  readonly agentId: string;
  readonly linkId: string;
  /** SHA-256 of the SubjectPublicKeyInfo of the key that the stream was opened with. */
  readonly publicKeyHash: Buffer;
  readonly agentVersion: string;
  readonly kernel: string;
  readonly architecture: string;
  readonly labels: Labels;
  readonly capabilities: Agent['capabilities'];
}

/** Why a process is taken for one that lives by a copy of an agent's identity. */
export type CopyReason = 'key_replaced' | 'other_process';

export type ArrivalResult =
  | {
      readonly kind: 'welcome';
      readonly labels: Labels;
      readonly newBoot: boolean;
      /** A process that spoke for the agent since this one did before: if this one is alive, they are two. */
      readonly rivalBootId: string | null;
    }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'revoked' }
  | {
      readonly kind: 'copy';
      readonly reason: CopyReason;
      /** The host of the copy. */
      readonly hostname: string;
      /** The host that is taken for the agent's. */
      readonly keeper: string;
      readonly sameHost: boolean;
      readonly isNews: boolean;
    };

interface Present extends AgentBoot {
  readonly bootSeenAt: Date | null;
  readonly bootAlive: boolean;
  readonly revoked: boolean;
  readonly publicKeyHash: Buffer;
  readonly nextPublicKeyHash: Buffer | null;
}

/** The begin of a stream in the row of its agent. */
@Injectable()
export class AgentArrivalStore {
  constructor(private readonly boots: AgentBootStore) {}

  /** Gives the agent's link to this stream, which takes it from an older one; unless it lives by a copy. */
  async arrive(manager: EntityManager, arrival: Arrival): Promise<ArrivalResult> {
    const { agentId, bootId, publicKeyHash } = arrival;
    const before = await this.lock(manager, agentId);
    if (before === null) return { kind: 'unknown' };
    if (before.revoked) return { kind: 'revoked' };
    const isSuccessor = before.nextPublicKeyHash?.equals(publicKeyHash) ?? false;
    if (!isSuccessor && !before.publicKeyHash.equals(publicKeyHash)) {
      return this.copied(manager, arrival, before, 'key_replaced');
    }
    const known = await this.boots.recall(manager, agentId, bootId);
    if (known?.isCopy === true) return this.copied(manager, arrival, before, 'other_process');
    const newBoot = before.bootId !== bootId;
    const rival = newBoot && before.bootSeenAt !== null && before.bootAlive ? before : null;
    if (rival?.bootSeenAt) {
      await this.boots.remember(manager, agentId, { ...rival, seenAt: rival.bootSeenAt });
    }
    const labels = await this.take(manager, arrival, {
      seenAt: newBoot ? (known?.seenAt ?? null) : before.bootSeenAt,
      alive: newBoot ? known !== null : before.bootAlive,
    });
    return { kind: 'welcome', labels, newBoot, rivalBootId: known === null ? null : (rival?.bootId ?? null) };
  }

  /**
   * This process is alive, and so was `rivalBootId` since it was known: two live by one identity. The one that was known first keeps it. What the
   * other one is refused with from now on; null if the stream no longer speaks for the agent.
   */
  async settle(
    manager: EntityManager,
    {
      agentId,
      linkId,
      bootId,
    }: { readonly agentId: string; readonly linkId: string; readonly bootId: string },
    rivalBootId: string,
  ): Promise<{ readonly keeps: boolean; readonly copy: ArrivalResult & { kind: 'copy' } } | null> {
    const own = await this.lock(manager, agentId, linkId);
    const rival = await this.boots.recall(manager, agentId, rivalBootId);
    if (own === null || own.bootId !== bootId || own.bootSeenAt === null || rival === null || rival.isCopy) {
      return null;
    }
    const keeps = own.bootSeenAt <= rival.seenAt;
    if (keeps)
      return { keeps, copy: await this.copied(manager, { ...rival, agentId }, own, 'other_process') };
    await manager.query(
      `UPDATE agent SET link_id = NULL, boot_id = $2, boot_seen_at = $3, host_boot_id = $4, hostname = $5 WHERE id = $1`,
      [agentId, rival.bootId, rival.seenAt, rival.hostBootId, rival.hostname],
    );
    return { keeps, copy: await this.copied(manager, { ...own, agentId }, rival, 'other_process') };
  }

  private async copied(
    manager: EntityManager,
    copy: AgentBoot & { readonly agentId: string },
    keeper: AgentBoot,
    reason: CopyReason,
  ): Promise<ArrivalResult & { kind: 'copy' }> {
    const sameHost = copy.hostBootId !== null && copy.hostBootId === keeper.hostBootId;
    const isNews = await this.boots.isCopy(manager, copy.agentId, copy, sameHost);
    return { kind: 'copy', reason, hostname: copy.hostname, keeper: keeper.hostname, sameHost, isNews };
  }

  private async lock(manager: EntityManager, agentId: string, linkId?: string): Promise<Present | null> {
    const rows: Present[] = await manager.query(
      `SELECT boot_id AS "bootId", boot_seen_at AS "bootSeenAt", boot_alive AS "bootAlive", hostname,
              host_boot_id AS "hostBootId", revoked_at IS NOT NULL AS revoked, public_key_hash AS "publicKeyHash",
              next_public_key_hash AS "nextPublicKeyHash"
         FROM agent WHERE id = $1 AND ($2::uuid IS NULL OR link_id = $2) FOR NO KEY UPDATE`,
      [agentId, linkId ?? null],
    );
    return rows[0] ?? null;
  }

  private async take(
    manager: EntityManager,
    arrival: Arrival,
    boot: { readonly seenAt: Date | null; readonly alive: boolean },
  ): Promise<Labels> {
    const [rows] = (await manager.query(
      `UPDATE agent SET link_id = $2, boot_id = $3, hostname = $4, agent_version = $5, kernel = $6, architecture = $7,
              reported_labels = $8, capabilities = $9, last_seen_at = now(), clock_offset_us = NULL,
              clock_offset_uncertainty_us = NULL, cost = CASE WHEN boot_id = $3 THEN cost END,
              boot_seen_at = coalesce($10, now()), boot_alive = $11, host_boot_id = $12, public_key_hash = $13,
              next_public_key_hash = CASE WHEN public_key_hash = $13 THEN next_public_key_hash END
        WHERE id = $1 RETURNING labels`,
      [
        arrival.agentId,
        arrival.linkId,
        arrival.bootId,
        arrival.hostname,
        arrival.agentVersion,
        arrival.kernel,
        arrival.architecture,
        JSON.stringify(arrival.labels),
        JSON.stringify(arrival.capabilities),
        boot.seenAt,
        boot.alive,
        arrival.hostBootId,
        arrival.publicKeyHash,
      ],
    )) as [{ readonly labels: Labels }[], number];
    return rows[0]?.labels ?? {};
  }
}
