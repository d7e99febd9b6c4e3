import type { Migration } from '../migration.js';

export const traceSessions: Migration = {
  number: 23,
  name: '0023-trace-sessions',
  up: `
    CREATE TABLE trace_session (
      id uuid NOT NULL,
      name text,
      selector text NOT NULL,
      -- The checked body of the request, with its defaults filled in.
      spec jsonb NOT NULL,
      state text NOT NULL DEFAULT 'pending',
      -- Why it ended, when that is not plain from the state.
      message text,
      -- Rises with every change of this row.
      revision bigint NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      started_at timestamptz(3),
      ends_at timestamptz(3) NOT NULL,
      ended_at timestamptz(3),
      CONSTRAINT trace_session_pkey PRIMARY KEY (id),
      CONSTRAINT trace_session_state_check CHECK (state IN ('pending', 'running', 'completed', 'stopped', 'failed')),
      CONSTRAINT trace_session_ended_check CHECK ((ended_at IS NULL) = (state IN ('pending', 'running')))
    );
    -- The few that have not ended, for the sweep and for agents that join late.
    CREATE INDEX trace_session_active ON trace_session (ends_at) WHERE ended_at IS NULL;

    CREATE TABLE session_target (
      session_id uuid NOT NULL,
      agent_id uuid NOT NULL,
      desired text NOT NULL DEFAULT 'running',
      observed text NOT NULL DEFAULT 'pending',
      error text,
      hooks jsonb NOT NULL DEFAULT '[]',
      -- Of the agent's present process, and of the ones before it.
      record_count bigint NOT NULL DEFAULT 0,
      earlier_record_count bigint NOT NULL DEFAULT 0,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      started_at timestamptz(3),
      ended_at timestamptz(3),
      CONSTRAINT session_target_pkey PRIMARY KEY (session_id, agent_id),
      CONSTRAINT session_target_session_fkey FOREIGN KEY (session_id) REFERENCES trace_session (id) ON DELETE CASCADE,
      CONSTRAINT session_target_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id),
      CONSTRAINT session_target_desired_check CHECK (desired IN ('running', 'ended')),
      CONSTRAINT session_target_observed_check CHECK (observed IN ('pending', 'running', 'done', 'failed')),
      CONSTRAINT session_target_ended_check CHECK ((ended_at IS NULL) = (observed IN ('pending', 'running')))
    );
    -- What each agent should be running: at most 64 rows per agent.
    CREATE INDEX session_target_held ON session_target (agent_id) WHERE ended_at IS NULL;

    -- DesiredSessions.revision. Taken before the rows are read, so that of two answers to one agent the later one is never the older.
    CREATE SEQUENCE desired_sessions_revision;`,
  down: `
    DROP SEQUENCE desired_sessions_revision;
    DROP TABLE session_target;
    DROP TABLE trace_session;`,
};
