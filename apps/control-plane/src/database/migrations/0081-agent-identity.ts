import type { Migration } from '../migration.js';

export const agentIdentity: Migration = {
  number: 81,
  name: '0081-agent-identity',
  up: `
    -- The key that a successor of the certificate was issued for. It becomes public_key_hash when a stream is opened with it.
    ALTER TABLE agent ADD COLUMN next_public_key_hash bytea;
    -- Of the process that boot_id names: since when it is known, whether it was heard after it was welcomed, and on which boot of which host it runs.
    ALTER TABLE agent ADD COLUMN boot_seen_at timestamptz(3);
    ALTER TABLE agent ADD COLUMN boot_alive boolean NOT NULL DEFAULT FALSE;
    ALTER TABLE agent ADD COLUMN host_boot_id uuid;
    -- The last copy of this agent's identity that was refused; null if there never was one.
    ALTER TABLE agent ADD COLUMN copied jsonb;

    -- Processes that spoke for an agent before the present one. One that comes back while another was alive since is one of two.
    CREATE TABLE agent_boot (
      agent_id uuid NOT NULL,
      boot_id uuid NOT NULL,
      seen_at timestamptz(3) NOT NULL,
      hostname text NOT NULL,
      host_boot_id uuid,
      -- It lives by a copy of the identity, and is not let in.
      is_copy boolean NOT NULL DEFAULT FALSE,
      CONSTRAINT agent_boot_pkey PRIMARY KEY (agent_id, boot_id),
      CONSTRAINT agent_boot_agent_fkey FOREIGN KEY (agent_id) REFERENCES agent (id)
    );`,
  down: `
    DROP TABLE agent_boot;
    ALTER TABLE agent DROP COLUMN copied, DROP COLUMN host_boot_id, DROP COLUMN boot_alive, DROP COLUMN boot_seen_at,
      DROP COLUMN next_public_key_hash;`,
};
