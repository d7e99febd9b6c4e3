import {
  DNS_FLAGS,
  DNS_OUTCOMES,
  DNS_SIDES,
  DNS_TRANSPORTS,
  type DnsFlagName,
  type DnsQuery,
  queryClasses,
  queryTypes,
  responseCodes,
} from '@synscope/api-contract';
import { nameOf, RECORD_ROW_COLUMNS, type RecordRow, recordFieldsOf } from '../record-queries/record-row.js';

/** DnsQueryColumns.flags of proto/synscope/agent/v1/records.proto. */
const TRUNCATED = 1;
const SEVERAL_QUESTIONS = 2;
const LATE_SOCKET_CLOSED = 4;
const LATE_ASKED_AGAIN = 8;
const ANSWER_WITHOUT_QUESTION = 16;

export interface DnsQueryRow extends RecordRow {
  readonly queried_at: string;
  readonly side: number;
  readonly transport: number;
  readonly outcome: number;
  readonly client_address: string;
  readonly client_port: number;
  readonly server_address: string;
  readonly server_port: number;
  readonly query_name: string;
  readonly query_type: number;
  readonly query_class: number;
  readonly message_id: number;
  readonly response_code: number | null;
  readonly answer_count: number | null;
  readonly elapsed_us: number;
  readonly lookup_id: number | null;
  readonly attempt: number | null;
  readonly flags: number;
}

/** The columns of {@link DnsQueryRow} but for the hostname, from `dns_query`. */
export const DNS_QUERY_ROW_COLUMNS = `${RECORD_ROW_COLUMNS}, observed_at - elapsed_us * interval '1 microsecond' AS queried_at, side,
  transport, outcome, host(client_address) AS client_address, client_port, host(server_address) AS server_address, server_port, query_name,
  query_type, query_class, message_id, response_code, answer_count, elapsed_us, lookup_id, attempt, flags`;

export function toDnsQuery(row: DnsQueryRow): DnsQuery {
  const outcome = nameOf(DNS_OUTCOMES, row.outcome);
  return {
    ...recordFieldsOf(row),
    queriedAt: row.queried_at,
    side: nameOf(DNS_SIDES, row.side),
    transport: nameOf(DNS_TRANSPORTS, row.transport),
    client: { address: row.client_address, port: row.client_port },
    server: { address: row.server_address, port: row.server_port },
    queryName: row.query_name,
    queryType: queryTypes.nameOf(row.query_type),
    queryClass: queryClasses.nameOf(row.query_class),
    messageId: row.message_id,
    outcome,
    lateReason: outcome === 'late' ? lateReason(row.flags) : null,
    responseCode: row.response_code === null ? null : responseCodes.nameOf(row.response_code),
    latencyUs: outcome === 'unanswered' ? null : row.elapsed_us,
    attempt: row.attempt,
    lookupId: row.lookup_id === null ? null : lookupIdText(row.lookup_id),
    answerCount: row.answer_count,
    truncated: (row.flags & TRUNCATED) !== 0,
    flags: flagNames(row.flags),
  };
}

/** A closed socket says more: nobody could read the answer any more. */
function lateReason(flags: number): DnsQuery['lateReason'] {
  if (flags & LATE_SOCKET_CLOSED) return 'socket_closed';
  return flags & LATE_ASKED_AGAIN ? 'asked_again' : null;
}

const FLAG_BITS: Readonly<Record<DnsFlagName, number>> = {
  several_questions: SEVERAL_QUESTIONS,
  answer_without_question: ANSWER_WITHOUT_QUESTION,
};

function flagNames(flags: number): DnsFlagName[] {
  return DNS_FLAGS.filter((name) => flags & FLAG_BITS[name]);
}

/** 52 bits, so 13 hexadecimal digits. */
function lookupIdText(lookupId: number): string {
  return lookupId.toString(16).padStart(13, '0');
}
