import type { Migration } from '../migration.js';

export const findings: Migration = {
  number: 60,
  name: '0060-findings',
  up: `
    -- One row per code and subject, for good: what resolves opens again in the same row.
    CREATE TABLE finding (
      id uuid NOT NULL,
      code text NOT NULL,
      -- Which subject it is, within the code.
      subject_key text NOT NULL,
      subject_kind text NOT NULL,
      agent_id uuid,
      address inet,
      port integer,
      name text,
      netns bigint,
      severity text NOT NULL,
      state text NOT NULL DEFAULT 'open',
      title text NOT NULL,
      first_seen_at timestamptz(3) NOT NULL,
      opened_at timestamptz(3) NOT NULL,
      last_seen_at timestamptz(3) NOT NULL,
      acknowledged_at timestamptz(3),
      resolved_at timestamptz(3),
      occurrences integer NOT NULL DEFAULT 1,
      -- Since opened_at. Of clients and hosts no more than 1,000 are kept apart.
      clients text[] NOT NULL,
      hosts uuid[] NOT NULL,
      handshakes bigint NOT NULL,
      added_latency_us bigint NOT NULL,
      evidence jsonb NOT NULL,
      advice jsonb NOT NULL,
      -- When bots were told of it last, and how many handshakes it had then.
      announced_at timestamptz(3) NOT NULL,
      announced_handshakes bigint NOT NULL,
      CONSTRAINT finding_pkey PRIMARY KEY (id),
      CONSTRAINT finding_subject_key UNIQUE (code, subject_key),
      CONSTRAINT finding_state_check CHECK (state IN ('open', 'acknowledged', 'resolved')),
      CONSTRAINT finding_severity_check CHECK (severity IN ('info', 'warning', 'critical')),
      CONSTRAINT finding_resolved_check CHECK ((resolved_at IS NOT NULL) = (state = 'resolved'))
    );
    CREATE INDEX finding_unresolved ON finding (last_seen_at) WHERE state <> 'resolved';
    CREATE INDEX finding_resolved ON finding (resolved_at) WHERE state = 'resolved';

    -- One row: which replica judges, and how far it is.
    CREATE TABLE finding_engine (
      id smallint NOT NULL DEFAULT 1,
      holder uuid,
      held_until timestamptz(3),
      -- What has been judged: the next transaction's number, and the numbers below it that were still running. Null before the first round.
      judged jsonb,
      judged_at timestamptz(3),
      -- By code: how often the rule failed, and why last.
      rule_failures jsonb NOT NULL DEFAULT '{}',
      CONSTRAINT finding_engine_pkey PRIMARY KEY (id),
      CONSTRAINT finding_engine_one_check CHECK (id = 1)
    );
    INSERT INTO finding_engine DEFAULT VALUES;`,
  down: `
    DROP TABLE finding_engine;
    DROP TABLE finding;`,
};
