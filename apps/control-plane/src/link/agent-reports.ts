import { setTimeout as delay } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { Injectable } from '@nestjs/common';
import type { Certificate } from '@synscope/protocol';
import { type HeartbeatAnswer, HeartbeatAnswerSchema } from '@synscope/protocol';
import type { ClockOffset } from '../agents/agent-presence.store.js';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { isLockConflict } from '../database/lock-conflict.js';
import { FleetClock } from '../fleet-clock/fleet-clock.js';
import { type ReportedStatus, SessionTargets } from '../trace-sessions/session-targets.js';
import { AgentCopies } from './agent-copies.js';
import type { AgentStream } from './agent-stream.js';
import { CertificateRenewal } from './certificate-renewal.js';
import type { Greeting, ReadHeartbeat } from './hello.js';
import { SignsOfLife } from './signs-of-life.js';
import { UnaskedSessions } from './unasked-sessions.js';

/** Between two attempts while the database is away. Milliseconds. */
const RETRY_INTERVAL_MS = 500;

/** What an agent says and asks besides its records. */
@Injectable()
export class AgentReports {
  constructor(
    private readonly targets: SessionTargets,
    private readonly renewal: CertificateRenewal,
    private readonly signs: SignsOfLife,
    private readonly clock: FleetClock,
    private readonly copies: AgentCopies,
    private readonly unasked: UnaskedSessions,
  ) {}

  /** What the agent is answered. */
  alive(
    { agentId, linkId }: AgentStream,
    { sentAtUs, clockOffset, cost }: ReadHeartbeat,
    isFirst: boolean,
  ): HeartbeatAnswer {
    const { us: receivedAtUs, uncertaintyUs } = this.clock.now();
    this.signs.add({ agentId, linkId, cost, clockOffset: clockOffset ?? oneWay(sentAtUs - receivedAtUs) });
    // That its process is alive is to be known before another one takes the link.
    if (isFirst) void this.signs.flush();
    return create(HeartbeatAnswerSchema, {
      sentAtUs,
      receivedAtUs,
      answeredAtUs: this.clock.now().us,
      uncertaintyUs,
    });
  }

  settle(stream: AgentStream, { arrival, protocolVersion }: Greeting, rivalBootId: string): Promise<boolean> {
    return untilDatabaseAnswers(stream, () =>
      this.copies.settle(stream, arrival.bootId, rivalBootId, protocolVersion),
    );
  }

  /** False if the agent runs what nobody asked it for. */
  async report(stream: AgentStream, status: ReportedStatus): Promise<boolean> {
    const unasked = await untilDatabaseAnswers(stream, () =>
      this.targets.statusesReported(stream.agentId, [status]),
    );
    this.unasked.reported(stream.agentId, unasked);
    return unasked.length === 0;
  }

  renew(stream: AgentStream, signingRequest: Uint8Array): Promise<Certificate> {
    return untilDatabaseAnswers(stream, () => this.renewal.renew(stream.agentId, signingRequest));
  }
}

/** Of an agent that has not compared clocks yet, or cannot. */
function oneWay(us: bigint): ClockOffset | null {
  const plausible = us >= BigInt(Number.MIN_SAFE_INTEGER) && us <= BigInt(Number.MAX_SAFE_INTEGER);
  return plausible ? { us: Number(us), uncertaintyUs: null } : null;
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
