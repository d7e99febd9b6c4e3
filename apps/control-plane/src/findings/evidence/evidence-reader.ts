import { Injectable } from '@nestjs/common';
import { resolveTime } from '@synscope/api-contract';
import { DatabasePool } from '../../database/database-pool.js';
import type { Activity } from './address-book.js';
import {
  ACTIVITY_COLUMNS,
  type ActivityRow,
  DROP_COLUMNS,
  type DropRow,
  HANDSHAKE_COLUMNS,
  type HandshakeRow,
  LISTENER_COLUMNS,
  type ListenerRow,
  QUERY_COLUMNS,
  type QueryRow,
  type TimeOf,
  toActivity,
  toDrop,
  toHandshakeEnd,
  toListenerSample,
  toQueryEnd,
} from './record-rows.js';
import type { HandshakeEnd, ListenerSample, QueryEnd, ReceiveDrop } from './records.js';

/** Groups, and samples of listeners, that are read at a time. */
const MOST_BESIDE = 20_000;

/** Who asked, or was asked. */
export interface QuestionActivity {
  readonly agentId: string;
  readonly netns: number | null;
  readonly side: 'client' | 'resolver';
  readonly ownAddress: string;
  readonly serverPort: number;
  readonly seenAtUs: number;
}

/** What records there are that may matter. */
export interface Arrivals {
  /** Slow or failed, like the queries. */
  readonly handshakes: readonly HandshakeEnd[];
  readonly activities: readonly Activity[];
  readonly samples: readonly ListenerSample[];
  readonly drops: readonly ReceiveDrop[];
  readonly queries: readonly QueryEnd[];
  readonly questions: readonly QuestionActivity[];
}

export interface Extent {
  /** Which rows, with the parameters below. All have to be used in each. */
  readonly conditions: Readonly<
    Record<'handshake' | 'activity' | 'listenerSample' | 'receiveQueueDrop' | 'dnsQuery' | 'question', string>
  >;
  readonly parameters: readonly unknown[];
  /** Of slow or failed records of each kind, the newest. */
  readonly limit: number;
}

/** Reads the records that rules are asked about, and those that they are judged by. */
@Injectable()
export class EvidenceReader {
  constructor(private readonly pool: DatabasePool) {}

  async read(timeOf: TimeOf, { conditions, parameters, limit }: Extent): Promise<Arrivals> {
    const rows = async <R extends object>(columns: string, rest: string): Promise<R[]> =>
      (await this.pool.query<R>(`SELECT ${columns} FROM ${rest}`, [...parameters])).rows;
    const handshakes = await rows<HandshakeRow>(
      HANDSHAKE_COLUMNS,
      // 1 is established; what waited for accept() is told by its wait, or by flag 8; flag 1 is the cookie path.
      `handshake WHERE ${conditions.handshake} AND (outcome <> 1 OR syn_retransmits > 0 OR syn_ack_retransmits > 0
         OR accept_wait_us >= 200000 OR flags & 9 <> 0) ORDER BY observed_at DESC LIMIT ${limit}`,
    );
    const activities = await rows<ActivityRow>(
      ACTIVITY_COLUMNS,
      `handshake WHERE ${conditions.activity} GROUP BY 1, 2, 3, 4, 5, 6 LIMIT ${MOST_BESIDE}`,
    );
    const samples = await rows<ListenerRow>(
      LISTENER_COLUMNS,
      `listener_sample WHERE ${conditions.listenerSample} ORDER BY observed_at DESC LIMIT ${MOST_BESIDE}`,
    );
    const drops = await rows<DropRow>(
      DROP_COLUMNS,
      `receive_queue_drop WHERE ${conditions.receiveQueueDrop} ORDER BY observed_at DESC LIMIT ${limit}`,
    );
    const queries = await rows<QueryRow>(
      QUERY_COLUMNS,
      // 1 is answered.
      `dns_query WHERE ${conditions.dnsQuery} AND (outcome <> 1 OR elapsed_us >= 200000 OR attempt > 1)
        ORDER BY observed_at DESC LIMIT ${limit}`,
    );
    const questions = await rows<QuestionRow>(
      QUESTION_COLUMNS,
      `dns_query WHERE ${conditions.question} GROUP BY 1, 2, 3, 4, 5 LIMIT ${MOST_BESIDE}`,
    );
    return {
      handshakes: handshakes.reverse().map((row) => toHandshakeEnd(row, timeOf)),
      activities: activities.map((row) => toActivity(row, timeOf)),
      samples: samples.reverse().map((row) => toListenerSample(row, timeOf)),
      drops: drops.reverse().map((row) => toDrop(row, timeOf)),
      queries: queries.reverse().map((row) => toQueryEnd(row, timeOf)),
      questions: questions.map((row) => toQuestion(row, timeOf)),
    };
  }
}

export function mergeArrivals(parts: readonly Arrivals[]): Arrivals {
  return {
    handshakes: parts.flatMap(({ handshakes }) => handshakes),
    activities: parts.flatMap(({ activities }) => activities),
    samples: parts.flatMap(({ samples }) => samples),
    drops: parts.flatMap(({ drops }) => drops),
    queries: parts.flatMap(({ queries }) => queries),
    questions: parts.flatMap(({ questions }) => questions),
  };
}

interface QuestionRow {
  readonly agentId: string;
  readonly netns: number | null;
  readonly side: number;
  readonly ownAddress: string;
  readonly serverPort: number;
  readonly lastAt: string;
}

const QUESTION_COLUMNS = `agent_id AS "agentId", netns, side,
  host(CASE side WHEN 1 THEN client_address ELSE server_address END) AS "ownAddress", server_port AS "serverPort",
  max(observed_at) AS "lastAt"`;

function toQuestion({ lastAt, side, ...row }: QuestionRow, timeOf: TimeOf): QuestionActivity {
  return {
    ...row,
    side: side === 1 ? 'client' : 'resolver',
    seenAtUs: timeOf(row.agentId, Number(resolveTime(lastAt, 0) ?? 0n)),
  };
}
