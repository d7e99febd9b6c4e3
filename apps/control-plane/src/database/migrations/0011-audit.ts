import type { Migration } from '../migration.js';

export const audit: Migration = {
  number: 11,
  name: '0011-audit',
  up: `
    -- No foreign key to api_token: the trail outlives the token.
    CREATE TABLE audit_event (
      id uuid NOT NULL,
      occurred_at timestamptz(3) NOT NULL DEFAULT now(),
      token_id uuid,
      actor_name text NOT NULL,
      action text NOT NULL,
      resource_kind text NOT NULL,
      resource_id text,
      detail jsonb NOT NULL DEFAULT '{}',
      CONSTRAINT audit_event_pkey PRIMARY KEY (id)
    );`,
  down: 'DROP TABLE audit_event;',
};
