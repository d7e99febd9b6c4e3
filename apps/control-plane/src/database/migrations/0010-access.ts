import type { Migration } from '../migration.js';

export const access: Migration = {
  number: 10,
  name: '0010-access',
  up: `
    CREATE TABLE api_token (
      id uuid NOT NULL,
      name text NOT NULL,
      role text NOT NULL,
      -- SHA-256 of the secret. The secret has 256 random bits, so a slow password hash would add nothing.
      secret_hash bytea NOT NULL,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      expires_at timestamptz(3),
      last_used_at timestamptz(3),
      CONSTRAINT api_token_pkey PRIMARY KEY (id),
      CONSTRAINT api_token_secret_hash_key UNIQUE (secret_hash),
      CONSTRAINT api_token_role_check CHECK (role IN ('viewer', 'operator', 'admin'))
    );`,
  down: 'DROP TABLE api_token;',
};
