import { Injectable } from '@nestjs/common';
import { formatMicroseconds } from '@synscope/api-contract';
import type { DatabasePool } from '../database/database-pool.js';
import { type Placing, placing } from '../stored-batches/committed-batches.js';
import { BREAKDOWN_INPUTS, BREAKDOWN_SQL, PART_COLUMNS } from './breakdown-sql.js';
import type { Candidate } from './pair-choice.js';
import { type TimeSpan, widen } from './time-spans.js';

/** Two clocks that are right enough to be compared are no further apart than this, microseconds. */
export const CLOCK_ERROR_US = 2_000_000;
/** Records with the same numbers, beyond which somebody makes them up: none of those is claimed. */
const MOST_ALIKE = 16;
const PAIR_COLUMNS = `observed_at, ${PART_COLUMNS}, client_handshake_id, server_handshake_id, client_agent_id, server_agent_id, match`;

export const PairMatch = { exact: 1, probable: 2 } as const;

/** Among which records pairs are looked for. */
export interface PairScope {
  /** When they were observed. */
  readonly spans: readonly TimeSpan[];
  /** Besides, records of these agents that were observed then, by clocks that cannot be compared with others. */
  readonly ofAgents: { readonly agentIds: readonly string[]; readonly spans: readonly TimeSpan[] } | null;
}

export interface JoinedPairs {
  readonly exact: number;
  readonly probable: number;
  /** Pairs of numbers that more than two records have which are in no pair. */
  readonly several: number;
}

export interface ChosenPair {
  readonly clientId: string;
  readonly clientObservedUs: number;
  readonly serverId: string;
  readonly serverObservedUs: number;
  readonly exact: boolean;
}

/** The planner expects few rows of a CTE, and a nested loop over many would never end. */
const HASH_JOINS_ONLY = 'SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off';
const ANY_JOINS = 'SET LOCAL enable_nestloop = on; SET LOCAL enable_mergejoin = on';

type Database = Pick<DatabasePool, 'query'>;

/**
 * Finds and keeps pairs. One hash join of the records of some spans, found by the index on time: nothing is looked up record by record, and
 * ingest has no index on sequence numbers to keep.
 */
@Injectable()
export class HandshakePairStore {
  /** Keeps every pair that there is no doubt about. Their hours must have partitions. */
  async join(database: Database, scope: PairScope): Promise<JoinedPairs> {
    const { parameters, place } = placing();
    await database.query(HASH_JOINS_ONLY);
    const { rows } = await database.query<JoinedPairs>(
      `WITH unpaired AS MATERIALIZED (${unpairedSql(scope, place)}),
            several AS MATERIALIZED (SELECT isns FROM unpaired GROUP BY isns HAVING count(*) > 2),
            ${clientsSql('NOT EXISTS')},
            stored AS (
              INSERT INTO handshake_pair (${PAIR_COLUMNS})
              SELECT c.observed_at, ${PART_COLUMNS.split(', ')
                .map((name) => `part.${name}`)
                .join(', ')}, c.id, s.id, c.agent_id, s.agent_id,
                     CASE WHEN ${EXACT_SQL} THEN ${PairMatch.exact} ELSE ${PairMatch.probable} END
                FROM client c JOIN unpaired s ON s.isns = c.isns AND s.role = 2 ${BREAKDOWN_SQL}
               WHERE (${EXACT_SQL} OR ${plausibleSql(scope, place)})
              ON CONFLICT DO NOTHING RETURNING match)
       SELECT count(*) FILTER (WHERE match = ${PairMatch.exact}) AS exact, count(*) FILTER (WHERE match = ${PairMatch.probable}) AS probable,
              (SELECT count(*) FROM several) AS several FROM stored`,
      parameters,
    );
    await database.query(ANY_JOINS);
    return rows[0] ?? { exact: 0, probable: 0, several: 0 };
  }

  /** Where there is doubt: all candidates, those with the same numbers behind one another. */
  async candidates(database: Database, scope: PairScope): Promise<Candidate[][]> {
    const { parameters, place } = placing();
    await database.query(HASH_JOINS_ONLY);
    const { rows } = await database.query<CandidateRow>(
      `WITH unpaired AS MATERIALIZED (${unpairedSql(scope, place)}),
            several AS MATERIALIZED (SELECT isns FROM unpaired GROUP BY isns HAVING count(*) BETWEEN 3 AND ${MOST_ALIKE}),
            ${clientsSql('EXISTS')}
       SELECT ${CANDIDATE_COLUMNS} FROM client c JOIN unpaired s ON s.isns = c.isns AND s.role = 2
        WHERE (${EXACT_SQL} OR ${plausibleSql(scope, place)})`,
      parameters,
    );
    await database.query(ANY_JOINS);
    return grouped(rows);
  }

  /** All candidates with the numbers of this record, none if more have them than could be told apart. */
  async candidatesFor(
    database: Database,
    id: string,
    observedUs: number,
    scope: PairScope,
  ): Promise<Candidate[]> {
    const { parameters, place } = placing();
    const own = `SELECT client_isn, server_isn FROM handshake WHERE observed_at = ${place(time(observedUs))}::timestamptz AND id = ${place(id)}`;
    const { rows } = await database.query<CandidateRow>(
      `WITH own AS MATERIALIZED (${own}), unpaired AS MATERIALIZED (
         SELECT * FROM (${unpairedSql(scope, place)}) AS any_isns
          WHERE isns = (SELECT client_isn << 32 | server_isn FROM own) LIMIT ${MOST_ALIKE + 1})
       SELECT ${CANDIDATE_COLUMNS} FROM unpaired c JOIN unpaired s ON c.role = 1 AND s.role = 2
        WHERE (SELECT count(*) FROM unpaired) <= ${MOST_ALIKE} AND (${EXACT_SQL} OR ${plausibleSql(scope, place)})`,
      parameters,
    );
    return grouped(rows).flat();
  }

  async insert(database: Database, pairs: readonly ChosenPair[]): Promise<void> {
    await database.query(
      `INSERT INTO handshake_pair (${PAIR_COLUMNS})
       SELECT c.observed_at, ${PART_COLUMNS.split(', ')
         .map((name) => `part.${name}`)
         .join(', ')}, c.id, s.id, c.agent_id, s.agent_id, chosen.match
         FROM unnest($1::uuid[], $2::uuid[], $3::smallint[]) AS chosen (client_id, server_id, match)
         JOIN handshake c ON c.id = chosen.client_id JOIN handshake s ON s.id = chosen.server_id ${BREAKDOWN_SQL}
        WHERE c.observed_at = ANY ($4::timestamptz[]) AND s.observed_at = ANY ($5::timestamptz[]) ON CONFLICT DO NOTHING`,
      [
        pairs.map(({ clientId }) => clientId),
        pairs.map(({ serverId }) => serverId),
        pairs.map(({ exact }) => (exact ? PairMatch.exact : PairMatch.probable)),
        pairs.map(({ clientObservedUs }) => time(clientObservedUs)),
        pairs.map(({ serverObservedUs }) => time(serverObservedUs)),
      ],
    );
  }

  /**
   * Servers' records without a client's whose handshake took so long that the client's may lie further back than clocks are apart: its ACK
   * was lost again and again. When the handshake was under way.
   */
  async longHandshakes(
    database: Database,
    spans: readonly TimeSpan[],
    longerThanUs: number,
  ): Promise<TimeSpan[]> {
    const { parameters, place } = placing();
    const { rows } = await database.query<{ untilUs: number; lengthUs: number }>(
      `SELECT (extract(epoch FROM observed_at) * 1000000)::bigint AS "untilUs", latency_us AS "lengthUs"
         FROM handshake h WHERE (${withinSql(spans, place)}) AND latency_us >= ${longerThanUs} AND role = 2
          AND client_isn IS NOT NULL AND server_isn IS NOT NULL
          AND NOT EXISTS (SELECT FROM handshake_pair p WHERE p.server_handshake_id = h.id)
        ORDER BY observed_at DESC LIMIT 1000`,
      parameters,
    );
    return rows.map(({ untilUs, lengthUs }) => ({ sinceUs: untilUs - lengthUs, untilUs }));
  }
}

/** Before anything is joined to them: many records with the same numbers on either side would be multiplied. */
const clientsSql = (exists: 'EXISTS' | 'NOT EXISTS') =>
  `client AS MATERIALIZED (SELECT * FROM unpaired u WHERE role = 1 AND ${exists} (SELECT FROM several WHERE several.isns = u.isns))`;

interface CandidateRow extends Candidate {
  readonly isns: string;
}

/** The ends agree: what is local to one is remote to the other. */
const EXACT_SQL =
  'c.local_address = s.remote_address AND c.remote_address = s.local_address AND c.local_port = s.remote_port AND c.remote_port = s.local_port';

const endsSql = (alias: string) =>
  `concat_ws(' ', host(${alias}.local_address), ${alias}.local_port, host(${alias}.remote_address), ${alias}.remote_port)`;
const observedSql = (alias: string) => `(extract(epoch FROM ${alias}.observed_at) * 1000000)::bigint`;

const CANDIDATE_COLUMNS = `c.isns::text AS isns, c.id AS "clientId", c.agent_id AS "clientAgentId", ${observedSql('c')} AS "clientObservedUs",
  ${endsSql('c')} AS "clientEnds", s.id AS "serverId", s.agent_id AS "serverAgentId", ${observedSql('s')} AS "serverObservedUs",
  ${endsSql('s')} AS "serverEnds", ${EXACT_SQL} AS exact`;

/** The client is established while the server's handshake is under way, as far as clocks can tell. */
function plausibleSql({ ofAgents }: PairScope, place: Placing['place']): string {
  const microseconds = (sql: string) => `(${sql}) * interval '1 microsecond'`;
  const inTime = `c.observed_at BETWEEN s.observed_at - ${microseconds(`coalesce(s.latency_us, 0) + ${CLOCK_ERROR_US}`)}
                                    AND s.observed_at + ${microseconds(String(CLOCK_ERROR_US))}`;
  if (!ofAgents) return inTime;
  const incomparable = `ARRAY[c.agent_id, s.agent_id] && ${place(ofAgents.agentIds)}::uuid[]`;
  return `(${inTime} OR ${incomparable})`;
}

/** The records of the scope whose numbers are known and that are in no pair. */
function unpairedSql({ spans, ofAgents }: PairScope, place: Placing['place']): string {
  const within = [
    withinSql(spans, place),
    ...(ofAgents
      ? [`(${withinSql(ofAgents.spans, place)}) AND agent_id = ANY (${place(ofAgents.agentIds)}::uuid[])`]
      : []),
  ].join(' OR ');
  // A pair stands where its client's record does, which the server's clock may tell otherwise.
  const around = [...spans, ...(ofAgents?.spans ?? [])].map((span) => widen(span, CLOCK_ERROR_US));
  const paired = `SELECT unnest(ARRAY[client_handshake_id, server_handshake_id]) AS id FROM handshake_pair WHERE ${withinSql(around, place)}`;
  return `SELECT client_isn << 32 | server_isn AS isns, role, id, agent_id, observed_at, local_address, local_port, remote_address, remote_port,
                 ${BREAKDOWN_INPUTS}
            FROM handshake h WHERE client_isn IS NOT NULL AND server_isn IS NOT NULL AND (${within})
             AND NOT EXISTS (SELECT FROM (${paired}) AS paired WHERE paired.id = h.id)`;
}

function withinSql(spans: readonly TimeSpan[], place: Placing['place']): string {
  if (spans.length === 0) return 'false';
  return spans
    .map(
      ({ sinceUs, untilUs }) =>
        `observed_at >= ${place(time(sinceUs))}::timestamptz AND observed_at < ${place(time(untilUs))}::timestamptz`,
    )
    .join(' OR ');
}

function grouped(rows: readonly CandidateRow[]): Candidate[][] {
  return [...Map.groupBy(rows, ({ isns }) => isns).values()];
}

function time(microseconds: number): string {
  return formatMicroseconds(BigInt(microseconds));
}
