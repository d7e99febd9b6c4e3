import type { Migration } from '../migration.js';

export const handshakePairs: Migration = {
  number: 51,
  name: '0051-handshake-pairs',
  up: `
    -- Both ends of a handshake, found by their initial sequence numbers. A record is in one pair at most. Partitioned and kept like the
    -- records; the client's record is observed at observed_at, the server's at whatever its host's clock said.
    CREATE TABLE handshake_pair (
      observed_at timestamptz NOT NULL,
      -- Where the time went, microseconds; null where the records do not tell. docs/both-ends.md says how each is derived.
      network_round_trip_us bigint,
      lost_syn_wait_us bigint,
      lost_syn_ack_wait_us bigint,
      server_queue_us bigint,
      accept_wait_us bigint,
      client_handshake_id uuid NOT NULL,
      server_handshake_id uuid NOT NULL,
      client_agent_id uuid NOT NULL,
      server_agent_id uuid NOT NULL,
      -- 1: exact, addresses and ports agree; 2: probable, they were translated in between.
      match smallint NOT NULL,
      -- Rows come almost in this order, so the index grows at its end.
      CONSTRAINT handshake_pair_pkey PRIMARY KEY (observed_at, client_handshake_id)
    ) PARTITION BY RANGE (observed_at);
    CREATE INDEX handshake_pair_server ON handshake_pair (server_handshake_id);

    -- What each way of looking for pairs has looked at: everything that was committed to ingest_batch before the snapshot. Whoever locks
    -- the row is at it. From the beginning at first, for records that are older than this step.
    CREATE TABLE handshake_join_progress (
      pass text NOT NULL,
      seen pg_snapshot NOT NULL,
      updated_at timestamptz(3) NOT NULL DEFAULT now(),
      CONSTRAINT handshake_join_progress_pkey PRIMARY KEY (pass)
    );
    INSERT INTO handshake_join_progress (pass, seen) VALUES ('observed', '3:3:'), ('arrived', '3:3:');`,
  down: `
    DROP TABLE handshake_join_progress;
    DROP TABLE handshake_pair;`,
};
