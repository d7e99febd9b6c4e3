import type { Migration } from '../migration.js';

export const joinTokens: Migration = {
  number: 21,
  name: '0021-join-tokens',
  up: `
    CREATE TABLE join_token (
      id uuid NOT NULL,
      name text NOT NULL,
      -- SHA-256 of the secret part, which has 256 random bits.
      secret_hash bytea NOT NULL,
      labels jsonb NOT NULL,
      max_uses integer NOT NULL,
      uses integer NOT NULL DEFAULT 0,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      expires_at timestamptz(3) NOT NULL,
      CONSTRAINT join_token_pkey PRIMARY KEY (id),
      CONSTRAINT join_token_secret_hash_key UNIQUE (secret_hash),
      CONSTRAINT join_token_uses_check CHECK (uses BETWEEN 0 AND max_uses)
    );`,
  down: 'DROP TABLE join_token;',
};
