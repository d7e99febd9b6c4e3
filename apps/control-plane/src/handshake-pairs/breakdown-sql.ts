/**
 * How the parts of a handshake's time follow from the records of its ends, `c` and `s`: one definition for the many pairs that are joined
 * and for the one that somebody asks about. With W(SYN), W(SYN-ACK) and W(ACK) for what was waited because one was lost:
 *
 *   client, SYN_SENT → ESTABLISHED   C = W(SYN) + W(SYN-ACK) + round trip
 *   server, SYN_RECV → ESTABLISHED   S = W(SYN-ACK) + round trip + W(ACK)
 *
 * What more is known: how often each side sent again, and a round trip that the kernel measured. That is the stage itself if nothing was
 * sent again; otherwise it comes from TCP timestamps, in whole milliseconds, and is null without them: on the client the time since the SYN
 * that was answered, on the server the time since the SYN-ACK that was acknowledged.
 */

/** What something was derived from. */
export const SynWait = { unknown: 0, sentOnce: 1, needless: 2, stages: 3, timestamps: 4 } as const;
export const SynAckWait = { unknown: 0, sentOnce: 1, tooSoon: 2, needless: 3, timestamps: 4 } as const;

/** Both sides send again after a second at the earliest (TCP_TIMEOUT_INIT). With room for what delays packets unequally; microseconds. */
const SOONEST_REPEAT_US = 900_000;
/** A wait that comes out shorter than this is none: what was sent again had not been lost, but was still under way. */
const SHORTEST_WAIT_US = 500_000;
/** How far two whole milliseconds may be from the truth. */
const TIMESTAMP_ERROR_US = 2_000;
/** The server was established this much later than the client's answer lets expect: that was not the first answer. */
const LATE_ACK_US = 20_000;

/** LATERAL items for FROM, after `c` and `s`; they end in `part`, whose columns are {@link PART_COLUMNS}. */
export const BREAKDOWN_SQL = `
  CROSS JOIN LATERAL (SELECT
    CASE WHEN c.outcome = 1 THEN c.latency_us END AS client_us,
    CASE WHEN s.outcome = 1 THEN s.latency_us END AS server_us,
    c.srtt_us AS client_rtt_us, s.srtt_us AS server_rtt_us, s.flags & 1 = 1 AS by_cookie) AS stage
  CROSS JOIN LATERAL (SELECT CASE
    WHEN client_us IS NULL OR c.syn_retransmits IS NULL THEN ${SynWait.unknown}
    WHEN c.syn_retransmits = 0 THEN ${SynWait.sentOnce}
    WHEN client_rtt_us IS NULL OR by_cookie THEN ${SynWait.unknown}
    WHEN client_us - client_rtt_us < ${SHORTEST_WAIT_US} THEN ${SynWait.needless}
    WHEN abs(server_us - client_rtt_us) <= ${TIMESTAMP_ERROR_US} THEN ${SynWait.stages}
    ELSE ${SynWait.timestamps} END AS syn_basis) AS syn
  CROSS JOIN LATERAL (SELECT CASE syn_basis
    WHEN ${SynWait.sentOnce} THEN 0
    WHEN ${SynWait.needless} THEN 0
    WHEN ${SynWait.stages} THEN client_us - server_us
    WHEN ${SynWait.timestamps} THEN client_us - client_rtt_us END AS syn_wait_us) AS syn_wait
  CROSS JOIN LATERAL (SELECT client_us - syn_wait_us AS answered_us) AS answer
  CROSS JOIN LATERAL (SELECT CASE
    WHEN answered_us IS NULL THEN ${SynAckWait.unknown}
    WHEN s.syn_ack_retransmits = 0 THEN ${SynAckWait.sentOnce}
    WHEN answered_us < ${SOONEST_REPEAT_US} THEN ${SynAckWait.tooSoon}
    WHEN server_rtt_us IS NULL OR server_us IS NULL OR server_us - answered_us > ${LATE_ACK_US} THEN ${SynAckWait.unknown}
    WHEN answered_us - server_rtt_us < ${SHORTEST_WAIT_US} THEN ${SynAckWait.needless}
    ELSE ${SynAckWait.timestamps} END AS syn_ack_basis) AS syn_ack
  CROSS JOIN LATERAL (SELECT
    CASE WHEN syn_ack_basis = ${SynAckWait.timestamps} THEN server_rtt_us
         WHEN syn_ack_basis <> ${SynAckWait.unknown} THEN answered_us END AS network_round_trip_us,
    syn_wait_us AS lost_syn_wait_us,
    CASE WHEN syn_ack_basis = ${SynAckWait.timestamps} THEN answered_us - server_rtt_us
         WHEN syn_ack_basis <> ${SynAckWait.unknown} THEN 0 END AS lost_syn_ack_wait_us,
    CASE WHEN server_us IS NOT NULL AND answered_us IS NOT NULL THEN greatest(server_us - answered_us, 0) END AS server_queue_us,
    s.accept_wait_us AS accept_wait_us) AS part`;

/** Of `handshake_pair`, and of `part`. */
export const PART_COLUMNS =
  'network_round_trip_us, lost_syn_wait_us, lost_syn_ack_wait_us, server_queue_us, accept_wait_us';

/** What {@link BREAKDOWN_SQL} reads of a record. */
export const BREAKDOWN_INPUTS =
  'outcome, flags, latency_us, srtt_us, accept_wait_us, syn_retransmits, syn_ack_retransmits';
