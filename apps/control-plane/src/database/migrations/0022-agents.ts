import type { Migration } from '../migration.js';

export const agents: Migration = {
  number: 22,
  name: '0022-agents',
  up: `
    CREATE TABLE agent (
      id uuid NOT NULL,
      hostname text NOT NULL,
      -- SHA-256 of the SubjectPublicKeyInfo that the last certificate was issued for.
      public_key_hash bytea NOT NULL,
      join_token_id uuid,
      -- What the agent says of itself, what its join token set over that, what an administrator set over both. A null among the assigned
      -- ones takes a label away.
      reported_labels jsonb NOT NULL DEFAULT '{}',
      token_labels jsonb NOT NULL DEFAULT '{}',
      assigned_labels jsonb NOT NULL DEFAULT '{}',
      labels jsonb NOT NULL GENERATED ALWAYS AS
        (jsonb_strip_nulls(reported_labels || token_labels || assigned_labels)) STORED,
      agent_version text,
      kernel text,
      architecture text,
      capabilities jsonb NOT NULL DEFAULT '[]',
      boot_id uuid,
      cost jsonb,
      -- The agent's clock less ours when its last heartbeat was read, so it includes the way here.
      clock_offset_us bigint,
      -- The stream that speaks for this agent; null while there is none. A newer stream takes it over.
      link_id uuid,
      enrolled_at timestamptz(3) NOT NULL DEFAULT now(),
      last_seen_at timestamptz(3),
      revoked_at timestamptz(3),
      CONSTRAINT agent_pkey PRIMARY KEY (id)
    );`,
  down: 'DROP TABLE agent;',
};
