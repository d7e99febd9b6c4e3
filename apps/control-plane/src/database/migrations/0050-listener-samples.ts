import type { Migration } from '../migration.js';

export const listenerSamples: Migration = {
  number: 50,
  name: '0050-listener-samples',
  up: `
    -- One row per listening socket and interval: a second in which something came, else 30 s. Partitions, keys and the order of columns as for
    -- handshake. What is counted lies within the interval, so sums over rows count nothing twice.
    CREATE TABLE listener_sample (
      -- The end of the interval.
      observed_at timestamptz NOT NULL,
      interval_us bigint NOT NULL,
      socket_cookie bigint NOT NULL,
      syns bigint NOT NULL,
      syns_refused_accept_queue_full bigint NOT NULL,
      syns_refused_syn_queue_full bigint NOT NULL,
      syns_refused_unexplained bigint NOT NULL,
      syns_answered_by_cookie bigint NOT NULL,
      acks_dropped_accept_queue_full bigint NOT NULL,
      acks_dropped_on_cookie_path bigint NOT NULL,
      -- Rise of sk_drops, and of TcpExt counters of the network namespace.
      drops bigint,
      netns_listen_overflows bigint,
      netns_listen_drops bigint,
      netns_tcp_req_q_full_drop bigint,
      netns_tcp_req_q_full_do_cookies bigint,
      netns_syncookies_sent bigint,
      netns_syncookies_recv bigint,
      netns_syncookies_failed bigint,
      netns bigint,
      cgroup_id bigint,
      -- 32 bits without a sign in the kernel.
      accept_queue_length bigint NOT NULL,
      accept_queue_limit bigint NOT NULL,
      accept_queue_peak bigint NOT NULL,
      syn_queue_length bigint NOT NULL,
      syn_queue_peak bigint NOT NULL,
      somaxconn bigint,
      tcp_max_syn_backlog bigint,
      pid integer,
      local_port integer NOT NULL,
      tcp_syncookies smallint,
      tcp_abort_on_overflow smallint,
      id uuid NOT NULL,
      agent_id uuid NOT NULL,
      local_address inet NOT NULL,
      process_name text,
      container_id text,
      session_ids uuid[] NOT NULL
    ) PARTITION BY RANGE (observed_at);

    CREATE INDEX listener_sample_by_time ON listener_sample (observed_at, id, agent_id);
    -- What refused or dropped anything is rare, and is what is looked for.
    CREATE INDEX listener_sample_refusing ON listener_sample (observed_at, id, agent_id)
      WHERE syns_refused_accept_queue_full + syns_refused_syn_queue_full + syns_refused_unexplained
          + acks_dropped_accept_queue_full + acks_dropped_on_cookie_path > 0;`,
  down: 'DROP TABLE listener_sample;',
};
