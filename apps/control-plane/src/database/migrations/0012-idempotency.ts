import type { Migration } from '../migration.js';

export const idempotency: Migration = {
  number: 12,
  name: '0012-idempotency',
  up: `
    CREATE TABLE idempotency_key (
      token_id uuid NOT NULL,
      key text NOT NULL,
      -- SHA-256 of method, path and body.
      request_hash bytea NOT NULL,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      -- Both null while the first request is under way.
      status smallint,
      -- Encrypted with a key made from the caller's bearer token: an answer may hold a secret that is shown once.
      sealed_response bytea,
      CONSTRAINT idempotency_key_pkey PRIMARY KEY (token_id, key)
    );
    CREATE INDEX idempotency_key_created_at ON idempotency_key (created_at);`,
  down: 'DROP TABLE idempotency_key;',
};
