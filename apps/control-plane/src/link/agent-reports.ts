import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { AgentCost } from '@synscope/api-contract';
import type { Certificate } from '@synscope/protocol';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { isLockConflict } from '../database/lock-conflict.js';
import { type ReportedStatus, SessionTargets } from '../trace-sessions/session-targets.js';
import type { AgentStream } from './agent-stream.js';
import { CertificateRenewal } from './certificate-renewal.js';
import { SignsOfLife } from './signs-of-life.js';

/** Between two attempts while the database is away. Milliseconds. */
const RETRY_INTERVAL_MS = 500;

/** What an agent says and asks besides its records. */
@Injectable()
export class AgentReports {
  constructor(
    private readonly targets: SessionTargets,
    private readonly renewal: CertificateRenewal,
    private readonly signs: SignsOfLife,
  ) {}

  alive({ agentId, linkId }: AgentStream, sentAtUs: bigint, cost: AgentCost | null): void {
    const offset = sentAtUs - BigInt(Date.now()) * 1_000n;
    const plausible = offset >= BigInt(Number.MIN_SAFE_INTEGER) && offset <= BigInt(Number.MAX_SAFE_INTEGER);
    this.signs.add({ agentId, linkId, clockOffsetUs: plausible ? Number(offset) : null, cost });
  }

  report(stream: AgentStream, status: ReportedStatus): Promise<void> {
    return untilDatabaseAnswers(stream, () => this.targets.statusesReported(stream.agentId, [status]));
  }

  renew(stream: AgentStream, signingRequest: Uint8Array): Promise<Certificate> {
    return untilDatabaseAnswers(stream, () => this.renewal.renew(stream.agentId, signingRequest));
  }
}

/** The stream is not read meanwhile. */
async function untilDatabaseAnswers<T>(stream: AgentStream, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const passing = isDatabaseUnavailable(error) || isLockConflict(error);
      if (!passing || stream.hasEnded) throw error;
      await delay(RETRY_INTERVAL_MS);
    }
  }
}
