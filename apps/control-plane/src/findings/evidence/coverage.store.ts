import { Injectable } from '@nestjs/common';
import {
  formatMicroseconds,
  resolveTime,
  type TraceSessionSpec,
  traceSessionSpecSchema,
} from '@synscope/api-contract';
import { DatabasePool } from '../../database/database-pool.js';

/** Loss within this time keeps an agent's silence from saying anything. Microseconds. */
const LOSS_MATTERS_US = 300_000_000;
/** Hosts whose clock is behind report their loss as of earlier. Microseconds. */
const CLOCKS_APART_US = 2 * 3_600_000_000;

/** What sessions ask for that is kept in memory. */
const MOST_SPECS = 1_000;

export interface RunningTarget {
  readonly agentId: string;
  readonly sessionId: string;
  readonly startedUs: number;
  readonly endedUs: number | null;
  readonly spec: TraceSessionSpec;
}

@Injectable()
export class CoverageStore {
  private readonly specs = new Map<string, TraceSessionSpec>();

  constructor(private readonly pool: DatabasePool) {}

  async running(): Promise<readonly RunningTarget[]> {
    return this.targets(`ended_at IS NULL AND observed = 'running'`, []);
  }

  /** Those that ran at some time since then. */
  async since(sinceUs: number): Promise<readonly RunningTarget[]> {
    const text = formatMicroseconds(BigInt(Math.round(sinceUs)));
    return this.targets('(ended_at IS NULL OR ended_at >= $1::timestamptz)', [text]);
  }

  private async targets(condition: string, parameters: readonly string[]): Promise<readonly RunningTarget[]> {
    const { rows } = await this.pool.query<{
      agentId: string;
      sessionId: string;
      startedAt: string;
      endedAt: string | null;
    }>(
      `SELECT agent_id AS "agentId", session_id AS "sessionId", started_at AS "startedAt", ended_at AS "endedAt"
         FROM session_target WHERE started_at IS NOT NULL AND ${condition}`,
      [...parameters],
    );
    const specs = await this.specsOf([...new Set(rows.map(({ sessionId }) => sessionId))]);
    const time = (text: string) => Number(resolveTime(text, 0));
    return rows.flatMap(({ agentId, sessionId, startedAt, endedAt }) => {
      const spec = specs.get(sessionId);
      if (!spec) return [];
      return [
        {
          agentId,
          sessionId,
          startedUs: time(startedAt),
          endedUs: endedAt === null ? null : time(endedAt),
          spec,
        },
      ];
    });
  }

  /** `agent|probe` of records that were lost of late; without the probe where it could have been any. */
  async losers(nowUs: number): Promise<ReadonlySet<string>> {
    const { rows } = await this.pool.query<{ agentId: string; probe: number | null }>(
      `SELECT DISTINCT agent_id AS "agentId", probe FROM record_loss
        WHERE until_at >= $1::timestamptz AND recorded_at >= $2::timestamptz`,
      [
        formatMicroseconds(BigInt(Math.round(nowUs - CLOCKS_APART_US))),
        formatMicroseconds(BigInt(Math.round(nowUs - LOSS_MATTERS_US))),
      ],
    );
    return new Set(rows.map(({ agentId, probe }) => `${agentId}|${probe ?? ''}`));
  }

  /** What a session asks for does not change while it runs. */
  private async specsOf(ids: readonly string[]): Promise<ReadonlyMap<string, TraceSessionSpec>> {
    const unknown = ids.filter((id) => !this.specs.has(id));
    if (unknown.length > 0) {
      const { rows } = await this.pool.query<{ id: string; spec: unknown }>(
        'SELECT id, spec FROM trace_session WHERE id = ANY ($1::uuid[])',
        [unknown],
      );
      for (const { id, spec } of rows) this.specs.set(id, traceSessionSpecSchema.parse(spec));
    }
    const found = new Map([...this.specs].filter(([id]) => ids.includes(id)));
    if (this.specs.size > MOST_SPECS) this.specs.clear();
    return found;
  }
}
