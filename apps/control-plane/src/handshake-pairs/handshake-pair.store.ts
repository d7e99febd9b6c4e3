import { Injectable } from '@nestjs/common';
import { formatMicroseconds } from '@synscope/api-contract';
import type { DatabasePool } from '../database/database-pool.js';
import { type Placing, placing } from '../stored-batches/committed-batches.js';
import { BREAKDOWN_INPUTS, BREAKDOWN_SQL, PART_COLUMNS } from './breakdown-sql.js';
import type { Candidate } from './pair-choice.js';
import { type TimeSpan, widen } from './time-spans.js';

/** Two clocks that are right enough to be compared are no further apart than this, microseconds. */
export const CLOCK_ERROR_US = 2_000_000;
/** What waited less for accept() is sent among what was observed then. With room for the second that an agent gathers records; microseconds. */
export const LONG_ACCEPT_WAIT_US = 5_000_000;
/** Of `flags`: not yet accepted when reported (HandshakeColumns.flags of proto/synscope/agent/v1/records.proto). */
const NOT_YET_ACCEPTED = 8;
/** Records with the same numbers, beyond which somebody makes them up: none of those is claimed. */
const MOST_ALIKE = 16;
const PAIR_COLUMNS = `observed_at, ${PART_COLUMNS}, client_handshake_id, server_handshake_id, client_agent_id, server_agent_id, match`;

export const PairMatch = { exact: 1, probable: 2 } as const;

/** What these agents observed then. */
interface AgentSpans {
  readonly agentIds: readonly string[];
  readonly spans: readonly TimeSpan[];
}

/** Among which records pairs are looked for. */
export interface PairScope {
  /** When they were observed. */
  readonly spans: readonly TimeSpan[];
  /** Besides, what was observed by clocks that cannot be compared with others. */
  readonly ofAgents: AgentSpans | null;
  /** Any pair, or those of which one end at least is of `ofAgents`, or waited for accept() for {@link LONG_ACCEPT_WAIT_US}. */
  readonly sought: 'any' | 'not observed when it arrived';
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
      `WITH ${unpairedSql(scope, place)},
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
      `WITH ${unpairedSql(scope, place)},
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
    const own = `SELECT ${ISNS_SQL} AS isns FROM handshake WHERE observed_at = ${place(time(observedUs))}::timestamptz AND id = ${place(id)}`;
    const { rows } = await database.query<CandidateRow>(
      `WITH ${unpairedSql(scope, place, own)}
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

/** `unpaired`, an item of WITH: the records of the scope whose numbers are known and that are in no pair; of `soughtSql`, or with its numbers. */
function unpairedSql(scope: PairScope, place: Placing['place'], soughtSql = soughtOf(scope, place)): string {
  const pairedSql = `SELECT unnest(ARRAY[client_handshake_id, server_handshake_id]) AS id FROM handshake_pair WHERE (${pairedWithinSql(scope, place)})`;
  const withoutPairSql = (paired: string) =>
    `NOT EXISTS (SELECT FROM (${paired}) AS paired WHERE paired.id = h.id)`;
  if (!soughtSql)
    return `unpaired AS MATERIALIZED (${recordsSql(scope, place)} AND ${withoutPairSql(pairedSql)})`;
  // They are few of those that are read, so nothing is made of the others' pairs.
  const ofThese = (column: string) => `${column} IN (SELECT id FROM around)`;
  return `sought AS MATERIALIZED (${soughtSql}),
    around AS MATERIALIZED (${recordsSql(scope, place)} AND ${ISNS_SQL} IN (SELECT isns FROM sought)),
    unpaired AS MATERIALIZED (SELECT * FROM around h WHERE ${withoutPairSql(
      `${pairedSql} AND (${ofThese('client_handshake_id')} OR ${ofThese('server_handshake_id')})`,
    )})`;
}

function soughtOf({ spans, ofAgents, sought }: PairScope, place: Placing['place']): string | null {
  if (sought === 'any') return null;
  const waited = `role = 2 AND (accept_wait_us >= ${LONG_ACCEPT_WAIT_US} OR flags & ${NOT_YET_ACCEPTED} <> 0) AND (${withinSql(spans, place)})`;
  return `SELECT ${ISNS_SQL} AS isns FROM handshake WHERE ${WITH_ISNS_SQL} AND (${[waited, ...ofAgentsSql(ofAgents, place)].join(' OR ')})`;
}

const ISNS_SQL = 'client_isn << 32 | server_isn';
const WITH_ISNS_SQL = 'client_isn IS NOT NULL AND server_isn IS NOT NULL';

/** Of the records of the scope what the join needs, from `handshake h`; it may be continued with AND. */
function recordsSql({ spans, ofAgents }: PairScope, place: Placing['place']): string {
  const within = [withinSql(spans, place), ...ofAgentsSql(ofAgents, place)].join(' OR ');
  return `SELECT ${ISNS_SQL} AS isns, role, id, agent_id, observed_at, local_address, local_port, remote_address, remote_port,
                 ${BREAKDOWN_INPUTS}
            FROM handshake h WHERE ${WITH_ISNS_SQL} AND (${within})`;
}

function ofAgentsSql(ofAgents: AgentSpans | null, place: Placing['place']): string[] {
  if (!ofAgents) return [];
  return [`(${withinSql(ofAgents.spans, place)}) AND agent_id = ANY (${place(ofAgents.agentIds)}::uuid[])`];
}

/** Where pairs of the scope's records are: a pair stands where its client's record does, which the server's clock may tell otherwise. */
function pairedWithinSql({ spans, ofAgents }: PairScope, place: Placing['place']): string {
  return withinSql(
    [...spans, ...(ofAgents?.spans ?? [])].map((span) => widen(span, CLOCK_ERROR_US)),
    place,
  );
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
