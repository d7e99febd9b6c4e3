import type { Migration } from '../migration.js';

export const certificateAuthority: Migration = {
  number: 20,
  name: '0020-certificate-authority',
  up: `
    -- One row for now. All replicas sign with it, so it is kept here and not in a data directory: see docs/decisions.
    CREATE TABLE certificate_authority (
      id uuid NOT NULL,
      -- X.509 and PKCS #8, both DER.
      certificate bytea NOT NULL,
      private_key bytea NOT NULL,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      CONSTRAINT certificate_authority_pkey PRIMARY KEY (id)
    );`,
  down: 'DROP TABLE certificate_authority;',
};
