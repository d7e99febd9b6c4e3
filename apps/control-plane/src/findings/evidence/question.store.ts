import { Injectable } from '@nestjs/common';
import { formatMicroseconds } from '@synscope/api-contract';
import { DatabasePool } from '../../database/database-pool.js';
import { observedAtOfRecordId } from '../../record-storage/record-id.js';
import type { AnswerShares } from '../rules/situation.js';
import { SLOW_ANSWER_US } from '../rules/thresholds.js';
import { QUERY_COLUMNS, type QueryRow, toQueryEnd } from './record-rows.js';
import type { QueryEnd } from './records.js';

const A_MINUTE_US = 60_000_000;
/** Records of a resolver that are looked through for those of the clients' questions. */
const MOST_SEEN = 20_000;
const MOST_NAMES = 2_000;

/** Looks beside a query: at what its server answered otherwise, and at what the resolver's host saw of it. */
@Injectable()
export class QuestionStore {
  constructor(private readonly pool: DatabasePool) {}

  /** By the key of {@link shareKey}: the answers within the minute before the latest of these, each agent by its own clock. */
  async answers(queries: readonly QueryEnd[]): Promise<ReadonlyMap<string, AnswerShares>> {
    const shares = new Map<string, AnswerShares>();
    for (const ofAgent of groupBy(queries, ({ agentId, side }) => `${agentId}|${side}`).values()) {
      const [first] = ofAgent;
      if (!first) continue;
      const names = [...new Set(ofAgent.map(({ queryName }) => queryName))].slice(0, MOST_NAMES);
      const lastUs = Math.max(...ofAgent.map(({ id }) => observedAtOfRecordId(id) ?? 0));
      const { rows } = await this.pool.query<{
        address: string;
        port: number;
        name: string | null;
        all: number;
        slow: number;
      }>(
        // 3 is unanswered, which says nothing of how long an answer takes.
        `SELECT host(server_address) AS address, server_port AS port,
                CASE WHEN query_name = ANY ($5::text[]) THEN query_name END AS name,
                count(*) AS all, count(*) FILTER (WHERE elapsed_us >= ${SLOW_ANSWER_US}) AS slow
           FROM dns_query
          WHERE observed_at >= $1::timestamptz AND observed_at <= $2::timestamptz AND agent_id = $3 AND side = $4 AND outcome <> 3
          GROUP BY 1, 2, 3`,
        [
          formatMicroseconds(BigInt(lastUs - A_MINUTE_US)),
          formatMicroseconds(BigInt(lastUs)),
          first.agentId,
          first.side === 'client' ? 1 : 2,
          names,
        ],
      );
      for (const query of ofAgent) {
        const ofServer = rows.filter(
          ({ address, port }) => address === query.serverAddress && port === query.serverPort,
        );
        const ofName = ofServer.filter(({ name }) => name === query.queryName);
        const others = ofServer.filter(({ name }) => name !== query.queryName);
        shares.set(shareKey(query), {
          ofName: sum(ofName, ({ all }) => all),
          slowOfName: sum(ofName, ({ slow }) => slow),
          ofOthers: sum(others, ({ all }) => all),
          slowOfOthers: sum(others, ({ slow }) => slow),
        });
      }
    }
    return shares;
  }

  /** What a resolver's host saw of these clients' questions, within a time by its own clock. */
  async seenBy(
    agentId: string,
    queries: readonly QueryEnd[],
    fromUs: number,
    untilUs: number,
    offsetUs: number,
  ): Promise<readonly QueryEnd[]> {
    const { rows } = await this.pool.query<QueryRow>(
      `SELECT ${QUERY_COLUMNS} FROM dns_query
        WHERE observed_at >= $1::timestamptz AND observed_at <= $2::timestamptz AND agent_id = $3 AND side = 2
          AND client_address = ANY ($4::inet[]) AND query_name = ANY ($5::text[]) LIMIT ${MOST_SEEN}`,
      [
        formatMicroseconds(BigInt(Math.round(fromUs + offsetUs))),
        formatMicroseconds(BigInt(Math.round(untilUs + offsetUs))),
        agentId,
        [...new Set(queries.map(({ clientAddress }) => clientAddress))],
        [...new Set(queries.map(({ queryName }) => queryName))],
      ],
    );
    return rows.map((row) => toQueryEnd(row, (_, observedUs) => observedUs - offsetUs));
  }

  /** What a host itself asked servers about these names and waited long for, within a time by its own clock. */
  async sentBy(
    agentId: string,
    names: readonly string[],
    fromUs: number,
    untilUs: number,
    offsetUs: number,
  ): Promise<readonly QueryEnd[]> {
    const { rows } = await this.pool.query<QueryRow>(
      `SELECT ${QUERY_COLUMNS} FROM dns_query
        WHERE observed_at >= $1::timestamptz AND observed_at <= $2::timestamptz AND agent_id = $3 AND side = 1
          AND query_name = ANY ($4::text[]) AND elapsed_us >= ${SLOW_ANSWER_US / 2} LIMIT ${MOST_SEEN}`,
      [
        formatMicroseconds(BigInt(Math.round(fromUs + offsetUs))),
        formatMicroseconds(BigInt(Math.round(untilUs + offsetUs))),
        agentId,
        [...new Set(names)].slice(0, MOST_NAMES),
      ],
    );
    return rows.map((row) => toQueryEnd(row, (_, observedUs) => observedUs - offsetUs));
  }

  /** How far the clocks of these agents are ahead of ours. Microseconds. */
  async clockOffsets(agentIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.pool.query<{ id: string; offset: number | null }>(
      'SELECT id, clock_offset_us AS offset FROM agent WHERE id = ANY ($1::uuid[])',
      [agentIds],
    );
    return new Map(rows.map(({ id, offset }) => [id, offset ?? 0]));
  }
}

export function shareKey({ agentId, side, serverAddress, serverPort, queryName }: QueryEnd): string {
  return `${agentId}|${side}|${serverAddress}|${serverPort}|${queryName}`;
}

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

function sum<T>(items: readonly T[], pick: (item: T) => number): number {
  return items.reduce((total, item) => total + pick(item), 0);
}
