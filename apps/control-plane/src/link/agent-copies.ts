import { Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AgentArrivalStore, type ArrivalResult } from '../agents/agent-arrival.store.js';
import { AgentChangeRecorder } from '../agents/agent-change-recorder.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import type { AgentStream } from './agent-stream.js';

type Copy = ArrivalResult & { readonly kind: 'copy' };

/** The protocol version whose agents enrol anew when they are told that they live by a copy. */
const KNOWS_COPIES = 3;

/** Two processes with the identity of one agent: a copied data directory, an image of a host, or two agents on one directory. */
@Injectable()
export class AgentCopies {
  private readonly logger = new Logger('Link');

  constructor(
    private readonly database: DataSource,
    private readonly arrivals: AgentArrivalStore,
    private readonly record: AgentChangeRecorder,
  ) {}

  /**
   * The process of this stream has spoken for the agent before, another one since, and this one is alive. Whether it keeps the identity; if so it
   * should replace its key. Otherwise its stream has ended.
   */
  async settle(
    stream: AgentStream,
    bootId: string,
    rivalBootId: string,
    protocolVersion: number,
  ): Promise<boolean> {
    const { agentId, linkId } = stream;
    const settled = await this.database.transaction(async (manager) => {
      const result = await this.arrivals.settle(manager, { agentId, linkId, bootId }, rivalBootId);
      if (result !== null) await this.refused(manager, agentId, result.copy);
      return result;
    });
    if (settled === null) return false;
    if (!settled.keeps) stream.end(refusal(settled.copy, protocolVersion));
    return settled.keeps;
  }

  /** Leaves the trace of it, once for each process. */
  async refused(manager: EntityManager, agentId: string, copy: Copy): Promise<void> {
    if (!copy.isNews) return;
    const { reason, hostname, keeper, sameHost } = copy;
    this.logger.warn(`a copy of the identity of the agent ${agentId} (${keeper}) is refused: ${hostname}`);
    await this.record.changed(
      manager,
      { kind: 'system', name: 'link' },
      {
        id: agentId,
        action: 'agent.identity_copied',
        detail: { reason, refused: hostname, keeper, sameHost },
      },
    );
  }
}

/** What a process that lives by a copy is told. */
export function refusal({ reason, keeper, sameHost }: Copy, protocolVersion: number): GrpcStatusError {
  if (reason === 'other_process' && sameHost) {
    return new GrpcStatusError(
      protocolVersion >= KNOWS_COPIES ? 'FAILED_PRECONDITION' : 'PERMISSION_DENIED',
      'another agent runs on this host with the same identity: end one of the two, or give this one a data directory of its own (--data-dir)',
    );
  }
  return new GrpcStatusError(
    protocolVersion >= KNOWS_COPIES ? 'ALREADY_EXISTS' : 'PERMISSION_DENIED',
    reason === 'key_replaced'
      ? `the key of this identity was replaced since, by the agent on ${keeper}: this host has a copy of its data directory, from an image or a backup`
      : `another agent lives by this identity, on ${keeper}: this host has a copy of its data directory or image`,
  );
}
