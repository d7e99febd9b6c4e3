import type { Migration } from '../migration.js';

export const recordFloor: Migration = {
  number: 14,
  name: '0014-record-floor',
  up: `
    -- What the limit of size has dropped once is not taken in again, by any replica: one row at most, its time only grows.
    CREATE TABLE record_floor (
      singleton boolean NOT NULL DEFAULT true,
      earliest timestamptz(3) NOT NULL,
      CONSTRAINT record_floor_pkey PRIMARY KEY (singleton),
      CONSTRAINT record_floor_singleton_check CHECK (singleton)
    );`,
  down: 'DROP TABLE record_floor;',
};
