import type { Migration } from '../migration.js';

export const handshakes: Migration = {
  number: 30,
  name: '0030-handshakes',
  up: `
    -- One row per handshake and side. No unique key and no trigger: every one of them halves what COPY takes in, and batches are kept
    -- from being stored twice by ingest_batch. No default partition: with one, a partition cannot be detached concurrently and the
    -- planner no longer reads partitions in the order of time. Wide columns first, so that no row holds padding.
    CREATE TABLE handshake (
      observed_at timestamptz NOT NULL,
      latency_us bigint,
      accept_wait_us bigint,
      client_isn bigint,
      server_isn bigint,
      netns bigint,
      cgroup_id bigint,
      srtt_us integer,
      pid integer,
      local_port integer NOT NULL,
      remote_port integer NOT NULL,
      -- HandshakeRole and HandshakeOutcome of proto/synscope/agent/v1/session.proto.
      role smallint NOT NULL,
      outcome smallint NOT NULL,
      syn_retransmits smallint,
      syn_ack_retransmits smallint,
      -- HandshakeColumns.flags of proto/synscope/agent/v1/records.proto.
      flags smallint NOT NULL,
      -- Made from observed_at, agent, boot, batch and row: orders like observed_at, and tells it.
      id uuid NOT NULL,
      agent_id uuid NOT NULL,
      local_address inet NOT NULL,
      remote_address inet NOT NULL,
      process_name text,
      container_id text,
      session_ids uuid[] NOT NULL
    ) PARTITION BY RANGE (observed_at);

    -- Slow or failed (outcome 1 is established) handshakes, by latency and by time. The filter columns are keys, not INCLUDE: only then does
    -- Postgres check them within the index. A query must repeat the predicate with literals for the planner to use these.
    CREATE INDEX handshake_by_latency ON handshake
      (latency_us, observed_at, id, agent_id, remote_address, remote_port, process_name, outcome)
      WHERE latency_us >= 20000 OR outcome <> 1;
    CREATE INDEX handshake_by_time ON handshake
      (observed_at, id, agent_id, latency_us, remote_address, remote_port, process_name, outcome)
      WHERE latency_us >= 20000 OR outcome <> 1;
    -- For everything else, and for finding a record by the time in its id.
    CREATE INDEX handshake_observed_at ON handshake USING brin (observed_at) WITH (pages_per_range = 32);

    -- Batches that are stored, one row each, written with their rows. Keyed by agent, so that it can be distributed with handshake.
    CREATE TABLE ingest_batch (
      agent_id uuid NOT NULL,
      boot_id uuid NOT NULL,
      seq bigint NOT NULL,
      rows integer NOT NULL,
      received_at timestamptz NOT NULL DEFAULT now(),
      first_observed_at timestamptz,
      last_observed_at timestamptz,
      CONSTRAINT ingest_batch_pkey PRIMARY KEY (agent_id, boot_id, seq)
    );
    CREATE INDEX ingest_batch_received_at ON ingest_batch USING brin (received_at);

    -- Records that were offered and are not stored.
    CREATE TABLE record_loss (
      agent_id uuid NOT NULL,
      id uuid NOT NULL DEFAULT gen_random_uuid(),
      boot_id uuid NOT NULL,
      -- LossCause of proto/synscope/agent/v1/records.proto.
      cause smallint NOT NULL,
      -- Null where nobody knows: batches that never came.
      records bigint,
      from_at timestamptz NOT NULL,
      until_at timestamptz NOT NULL,
      -- The batches that never came, both ends included; null for every other cause.
      first_seq bigint,
      last_seq bigint,
      recorded_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT record_loss_pkey PRIMARY KEY (agent_id, id),
      CONSTRAINT record_loss_interval_check CHECK (from_at <= until_at),
      CONSTRAINT record_loss_seq_check CHECK ((cause = 8) = (first_seq IS NOT NULL AND last_seq IS NOT NULL))
    );
    CREATE INDEX record_loss_until_at ON record_loss (until_at);
    CREATE INDEX record_loss_gap ON record_loss (agent_id, boot_id, first_seq) WHERE cause = 8;`,
  down: `
    DROP TABLE record_loss;
    DROP TABLE ingest_batch;
    DROP TABLE handshake;`,
};
