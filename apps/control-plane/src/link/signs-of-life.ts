import { Injectable, Logger } from '@nestjs/common';
import { AgentPresenceStore, type SignOfLife } from '../agents/agent-presence.store.js';

/** Collects heartbeats, so that a thousand agents cost one statement a second. */
@Injectable()
export class SignsOfLife {
  private readonly logger = new Logger('SignsOfLife');
  private pending = new Map<string, SignOfLife>();
  private writing = false;

  constructor(private readonly store: AgentPresenceStore) {}

  add(sign: SignOfLife): void {
    this.pending.set(sign.agentId, sign);
  }

  /** Writes what has come since the last time. While the database is away, the newest of each agent is kept. */
  async flush(): Promise<void> {
    if (this.writing || this.pending.size === 0) return;
    const signs = this.pending;
    this.pending = new Map();
    this.writing = true;
    try {
      await this.store.recordSignsOfLife([...signs.values()]);
    } catch (error) {
      this.logger.debug(`heartbeats not written, they are tried again: ${String(error)}`);
      this.pending = new Map([...signs, ...this.pending]);
    } finally {
      this.writing = false;
    }
  }
}
