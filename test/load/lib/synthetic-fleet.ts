import type { DatabasePool } from '../../../apps/control-plane/dist/database/database-pool.js';

export interface FleetOptions {
  /** Records per second. */
  readonly rate: number;
  readonly looks: number;
  readonly lookSeconds: number;
}

/** Seconds by which one host's clock is behind. */
const CLOCK_BEHIND_SECONDS = 3_600;
/** The last digits of a handshake's number say what becomes of it: of 1,000, so many … */
const ONE_ENDED = 100; // … have a server that is not traced
const BEHIND_NAT = 20; // … reach their server from another port
const CLOCK_BEHIND = 10; // … are served by the host whose clock is behind
const ACCEPTED_SOON = 960; // … the others are accepted 10 s later, or, of these,
const ACCEPTED_IN_TIME = 990; // … after 60 s
const RECORDS_PER_HANDSHAKE = 2 - ONE_ENDED / 1_000;

/**
 * The records of a fleet, made by Postgres: of 20 clients and 20 servers whose clocks are up to 0.5 s off, one a whole hour. Handshake n is begun
 * n × 1.9 / rate seconds or so after the start, by agent n mod 20; its number stands in cgroup_id, for the count of what was found.
 */
export class SyntheticFleet {
  readonly #pool: DatabasePool;
  readonly #options: FleetOptions;
  readonly #startMs: number;

  constructor(pool: DatabasePool, options: FleetOptions) {
    this.#pool = pool;
    this.#options = options;
    this.#startMs = Date.now() - (options.looks * options.lookSeconds + 60) * 1_000;
  }

  /** The hours since the Unix epoch in which it observes something. */
  hours(): number[] {
    const { looks, lookSeconds } = this.#options;
    const from = Math.floor((this.#startMs / 1_000 - CLOCK_BEHIND_SECONDS - 1) / 3_600);
    const until = Math.floor((this.#startMs / 1_000 + looks * lookSeconds + 1) / 3_600);
    return Array.from({ length: until - from + 1 }, (_, hour) => from + hour);
  }

  /** What arrives before one look, in one transaction; answers how many records. */
  async arrive(look: number): Promise<number> {
    const { lookSeconds } = this.#options;
    const perLook = this.#perLook();
    const later = (seconds: number) => Math.max(look - seconds / lookSeconds, -1) * perLook;
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN');
      const { rows } = await client.query<{ records: number }>(
        `WITH handshakes AS (
           SELECT n, n % 1000 AS kind, 1 AS role FROM generate_series($1::bigint, $1::bigint + $2::bigint - 1) AS n
           UNION ALL SELECT n, n % 1000, 2 FROM generate_series($1::bigint, $1::bigint + $2::bigint - 1) AS n WHERE n % 1000 >= ${ONE_ENDED} AND n % 1000 < ${ACCEPTED_SOON}
           UNION ALL SELECT n, n % 1000, 2 FROM generate_series($3::bigint, $3::bigint + $2::bigint - 1) AS n WHERE $3::bigint >= 0 AND n % 1000 >= ${ACCEPTED_SOON} AND n % 1000 < ${ACCEPTED_IN_TIME}
           UNION ALL SELECT n, n % 1000, 2 FROM generate_series($4::bigint, $4::bigint + $2::bigint - 1) AS n WHERE $4::bigint >= 0 AND n % 1000 >= ${ACCEPTED_IN_TIME}),
         made AS (
           SELECT n, kind, role, n % 20 AS own,
                  CASE WHEN role = 2 AND kind BETWEEN ${ONE_ENDED} AND ${ONE_ENDED + CLOCK_BEHIND - 1} THEN 99 ELSE role * 20 + n % 20 END AS agent
             FROM handshakes),
         observed AS (SELECT *, to_timestamp($5::float8 + n * $6::float8 + 0.05 - role * 0.02 + (agent % 11 - 5) * 0.1 - CASE WHEN agent = 99 THEN ${CLOCK_BEHIND_SECONDS} ELSE 0 END) AS observed_at FROM made),
         stored AS (
           INSERT INTO handshake (observed_at, latency_us, accept_wait_us, client_isn, server_isn, cgroup_id, srtt_us, local_port, remote_port,
                                  role, outcome, syn_retransmits, syn_ack_retransmits, flags, id, agent_id, local_address, remote_address, session_ids)
           SELECT observed_at,
                  900 + hashint8(n) & 255, CASE WHEN role = 2 THEN CASE WHEN kind < ${ACCEPTED_SOON} THEN 100 WHEN kind < ${ACCEPTED_IN_TIME} THEN 10000000 ELSE 60000000 END END, hashint8extended(n, 1) & 4294967295, hashint8extended(n, 2) & 4294967295, n, 900,
                  CASE role WHEN 1 THEN 32768 + n % 28000 ELSE 443 END,
                  CASE role WHEN 1 THEN 443 ELSE CASE WHEN kind >= 1000 - ${BEHIND_NAT} THEN 1024 ELSE 32768 END + n % 28000 END,
                  role, 1, CASE role WHEN 1 THEN 0 END, CASE role WHEN 2 THEN 0 END, 0,
                  -- In the order of time, as ids of records are.
                  (lpad(to_hex((extract(epoch FROM observed_at) * 1000)::bigint), 12, '0') || '7' || right(replace(gen_random_uuid()::text, '-', ''), 19))::uuid,
                  ('0198c0de-0000-7000-8000-' || lpad(agent::text, 12, '0'))::uuid,
                  ('10.0.' || role || '.' || own)::inet, ('10.0.' || 3 - role || '.' || own)::inet, '{}'
             FROM observed ORDER BY hashint8(n)
           RETURNING agent_id, observed_at)
         INSERT INTO ingest_batch (agent_id, boot_id, seq, rows, received_at, first_observed_at, last_observed_at)
         SELECT agent_id, agent_id, $7::bigint, count(*), to_timestamp($5::float8 + ($7::bigint + 1) * $8::float8 + 0.3), min(observed_at), max(observed_at)
           FROM stored GROUP BY agent_id RETURNING rows AS records`,
        [
          look * perLook,
          perLook,
          later(10),
          later(60),
          this.#startMs / 1_000,
          lookSeconds / perLook,
          look,
          lookSeconds,
        ],
      );
      await client.query('COMMIT');
      return rows.reduce((sum, { records }) => sum + records, 0);
    } finally {
      client.release();
    }
  }

  /** How many handshakes have both ends stored, and how many of the pairs are of one handshake. */
  async found(): Promise<{ traced: number; right: number; wrong: number; probable: number }> {
    const { rows } = await this.#pool.query(
      `SELECT (SELECT count(*) FROM handshake WHERE role = 2) AS traced, count(*) FILTER (WHERE c.cgroup_id = s.cgroup_id) AS right,
              count(*) FILTER (WHERE c.cgroup_id <> s.cgroup_id) AS wrong, count(*) FILTER (WHERE match = 2) AS probable
         FROM handshake_pair JOIN handshake c ON c.id = client_handshake_id JOIN handshake s ON s.id = server_handshake_id`,
    );
    return rows[0];
  }

  /** The cheapest way if everything were there at once and nothing had to be kept. */
  async joinByHand(): Promise<void> {
    const client = await this.#pool.connect();
    try {
      await client.query(
        "BEGIN; SET LOCAL work_mem = '64MB'; SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0",
      );
      await client.query(
        `SELECT count(*), max(c.id::text), max(s.id::text) FROM handshake c JOIN handshake s
             ON s.client_isn << 32 | s.server_isn = c.client_isn << 32 | c.server_isn WHERE c.role = 1 AND s.role = 2`,
      );
      await client.query('COMMIT');
    } finally {
      client.release();
    }
  }

  /** Handshakes; so that the whole makes as many records as asked for. */
  #perLook(): number {
    const { rate, lookSeconds } = this.#options;
    return Math.round((rate * lookSeconds) / RECORDS_PER_HANDSHAKE / 1_000) * 1_000;
  }
}
