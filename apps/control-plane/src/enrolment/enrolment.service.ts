import { Injectable } from '@nestjs/common';
import type { Certificate, EnrolRequest } from '@synscope/protocol';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AgentChangeRecorder } from '../agents/agent-change-recorder.js';
import { AgentPresenceStore, type NewAgent } from '../agents/agent-presence.store.js';
import { AgentCertificates } from '../certificate-authority/agent-certificates.js';
import { claimedHostname, claimedLabels } from '../grpc/agent-claims.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { uuidFromBytes } from '../grpc/uuid-bytes.js';
import { JoinTokenService } from '../join-tokens/join-token.service.js';
import type { JoinTokenRefusal } from '../join-tokens/join-token.store.js';

const REFUSALS: Readonly<Record<JoinTokenRefusal, string>> = {
  unknown: 'the join token is not known here, or was deleted',
  expired: 'the join token has expired',
  used_up: 'the join token was used as often as it may be',
};

export interface Enrolled {
  readonly agentId: string;
  readonly certificate: Certificate;
}

/** Turns a join token and a signing request into an identity. */
@Injectable()
export class EnrolmentService {
  constructor(
    private readonly database: DataSource,
    private readonly tokens: JoinTokenService,
    private readonly agents: AgentPresenceStore,
    private readonly record: AgentChangeRecorder,
    private readonly certificates: AgentCertificates,
  ) {}

  /** Throws GrpcStatusError. A token that was refused, or used for a bad request, is not counted as used. */
  async enrol(request: EnrolRequest): Promise<Enrolled> {
    const key = await this.certificates.readKey(request.certificateSigningRequest);
    const hostname = claimedHostname(request.hostname);
    const reportedLabels = claimedLabels(request.labels);
    const agentId = await this.database.transaction(async (manager) => {
      const use = await this.tokens.use(manager, request.joinToken);
      if (!use.accepted) throw new GrpcStatusError('UNAUTHENTICATED', REFUSALS[use.reason]);
      const agent: NewAgent = {
        id: uuidv7(),
        hostname,
        publicKeyHash: key.hash,
        joinTokenId: use.id,
        reportedLabels,
        tokenLabels: use.labels,
      };
      return this.admit(manager, agent, uuidFromBytes(request.agentId));
    });
    return { agentId, certificate: await this.certificates.issue(key, agentId) };
  }

  private async admit(manager: EntityManager, agent: NewAgent, formerId: string | null): Promise<string> {
    const outcome =
      formerId === null ? 'unknown' : await this.agents.enrolAgain(manager, { ...agent, id: formerId });
    if (outcome === 'revoked') {
      throw new GrpcStatusError(
        'PERMISSION_DENIED',
        'this agent was revoked; delete its data directory to enrol the host as a new agent',
      );
    }
    const id = outcome === 'taken_over' && formerId !== null ? formerId : agent.id;
    if (id === agent.id) await this.agents.insert(manager, agent);
    await this.record.changed(
      manager,
      { kind: 'system', name: 'enrolment' },
      {
        id,
        action: 'agent.enrol',
        after: { hostname: agent.hostname, labels: { ...agent.reportedLabels, ...agent.tokenLabels } },
        detail: { joinTokenId: agent.joinTokenId, again: id === formerId },
      },
    );
    return id;
  }
}
