import type { Migration } from '../migration.js';

export const dns: Migration = {
  number: 31,
  name: '0031-dns',
  up: `
    -- One row per DNS query and side. Partitions, keys and the order of columns as for handshake.
    CREATE TABLE dns_query (
      -- When it was answered or given up.
      observed_at timestamptz NOT NULL,
      -- Query to answer; without an answer (outcome 3), query to when it was given up.
      elapsed_us bigint NOT NULL,
      lookup_id bigint,
      netns bigint,
      cgroup_id bigint,
      pid integer,
      client_port integer NOT NULL,
      server_port integer NOT NULL,
      query_type integer NOT NULL,
      query_class integer NOT NULL,
      message_id integer NOT NULL,
      answer_count integer,
      attempt integer,
      -- DnsSide, DnsTransport and DnsOutcome of proto/synscope/agent/v1/session.proto.
      side smallint NOT NULL,
      transport smallint NOT NULL,
      outcome smallint NOT NULL,
      response_code smallint,
      -- DnsQueryColumns.flags of proto/synscope/agent/v1/records.proto.
      flags smallint NOT NULL,
      id uuid NOT NULL,
      agent_id uuid NOT NULL,
      client_address inet NOT NULL,
      server_address inet NOT NULL,
      -- Presentation format (RFC 1035 §5.1), printable ASCII, lower case, without the final dot.
      query_name text NOT NULL,
      process_name text,
      container_id text,
      session_ids uuid[] NOT NULL
    ) PARTITION BY RANGE (observed_at);

    -- What was slow, late or not answered (outcome 1 is answered). A query must repeat the predicate with literals, as for handshake.
    CREATE INDEX dns_query_by_latency ON dns_query
      (elapsed_us, observed_at, id, agent_id, query_name, server_address, query_type, response_code, side, outcome)
      WHERE elapsed_us >= 20000 OR outcome <> 1;
    CREATE INDEX dns_query_by_time ON dns_query
      (observed_at, id, agent_id, elapsed_us, query_name, server_address, query_type, response_code, side, outcome)
      WHERE elapsed_us >= 20000 OR outcome <> 1;
    CREATE INDEX dns_query_observed_at ON dns_query USING brin (observed_at) WITH (pages_per_range = 32);

    -- One row per call of getaddrinfo().
    CREATE TABLE name_lookup (
      observed_at timestamptz NOT NULL,
      latency_us bigint NOT NULL,
      netns bigint,
      cgroup_id bigint,
      pid integer,
      -- 0, or EAI_… of netdb.h.
      result_code integer NOT NULL,
      -- ai_family of the hints, which is whatever the application gave; 0 is any.
      family integer NOT NULL,
      -- NameLookupColumns.flags of proto/synscope/agent/v1/records.proto.
      flags smallint NOT NULL,
      id uuid NOT NULL,
      agent_id uuid NOT NULL,
      name text NOT NULL,
      process_name text,
      container_id text,
      session_ids uuid[] NOT NULL
    ) PARTITION BY RANGE (observed_at);

    CREATE INDEX name_lookup_by_latency ON name_lookup
      (latency_us, observed_at, id, agent_id, name, process_name, result_code)
      WHERE latency_us >= 20000 OR result_code <> 0;
    CREATE INDEX name_lookup_by_time ON name_lookup
      (observed_at, id, agent_id, latency_us, name, process_name, result_code)
      WHERE latency_us >= 20000 OR result_code <> 0;
    CREATE INDEX name_lookup_observed_at ON name_lookup USING brin (observed_at) WITH (pages_per_range = 32);

    -- Datagrams that a UDP socket on a DNS port could not take: one row per socket, cause and second in which there were any, so few
    -- rows, and every one of them worth an index entry.
    CREATE TABLE receive_queue_drop (
      -- The end of the interval.
      observed_at timestamptz NOT NULL,
      interval_us bigint NOT NULL,
      drops bigint NOT NULL,
      receive_buffer_bytes bigint NOT NULL,
      netns bigint,
      cgroup_id bigint,
      pid integer,
      local_port integer NOT NULL,
      -- ReceiveQueueDropCause of proto/synscope/agent/v1/records.proto, and DnsSide.
      cause smallint NOT NULL,
      side smallint NOT NULL,
      id uuid NOT NULL,
      agent_id uuid NOT NULL,
      local_address inet NOT NULL,
      process_name text,
      container_id text,
      session_ids uuid[] NOT NULL
    ) PARTITION BY RANGE (observed_at);

    CREATE INDEX receive_queue_drop_by_time ON receive_queue_drop (observed_at, id, agent_id);

    -- Probe of proto/synscope/agent/v1/session.proto; null for batches that never came, which could have held records of any.
    ALTER TABLE record_loss ADD COLUMN probe smallint;
    UPDATE record_loss SET probe = 1 WHERE cause <> 8;
    ALTER TABLE record_loss ADD CONSTRAINT record_loss_probe_check CHECK ((cause = 8) = (probe IS NULL));

    -- How many records an agent has handed over for a session, by probe.
    CREATE TABLE session_target_records (
      session_id uuid NOT NULL,
      agent_id uuid NOT NULL,
      probe smallint NOT NULL,
      -- Of the agent's present process, and of the ones before it.
      record_count bigint NOT NULL DEFAULT 0,
      earlier_record_count bigint NOT NULL DEFAULT 0,
      CONSTRAINT session_target_records_pkey PRIMARY KEY (session_id, agent_id, probe),
      CONSTRAINT session_target_records_target_fkey FOREIGN KEY (session_id, agent_id)
        REFERENCES session_target (session_id, agent_id) ON DELETE CASCADE
    );
    INSERT INTO session_target_records (session_id, agent_id, probe, record_count, earlier_record_count)
      SELECT session_id, agent_id, 1, record_count, earlier_record_count FROM session_target
       WHERE record_count + earlier_record_count > 0;`,
  down: `
    DROP TABLE session_target_records;
    DELETE FROM record_loss WHERE probe <> 1;
    ALTER TABLE record_loss DROP COLUMN probe;
    DROP TABLE receive_queue_drop;
    DROP TABLE name_lookup;
    DROP TABLE dns_query;`,
};
