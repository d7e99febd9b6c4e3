import type { Migration } from '../migration.js';

export const thresholds: Migration = {
  number: 72,
  name: '0072-thresholds',
  up: `
    CREATE TABLE threshold (
      id uuid NOT NULL,
      name text NOT NULL,
      metric text NOT NULL,
      percentile text,
      filter jsonb NOT NULL,
      above_ms float8,
      above_ratio float8,
      for_minutes integer NOT NULL,
      min_count integer NOT NULL,
      enabled boolean NOT NULL,
      state text NOT NULL DEFAULT 'ok',
      since timestamptz(3) NOT NULL DEFAULT now(),
      -- In a row: minutes above, and minutes with too few records.
      minutes_above integer NOT NULL DEFAULT 0,
      minutes_unknown integer NOT NULL DEFAULT 0,
      -- The minute that was evaluated last, by its begin, and what came of it.
      last_minute timestamptz(3),
      last_value float8,
      last_count bigint,
      last_error text,
      -- During an evaluation the end of its lease.
      next_evaluation_at timestamptz(3) NOT NULL DEFAULT now(),
      -- Rises with every change by a request: what was evaluated of the one before is void.
      revision integer NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      updated_at timestamptz(3) NOT NULL DEFAULT now(),
      CONSTRAINT threshold_pkey PRIMARY KEY (id),
      CONSTRAINT threshold_name_key UNIQUE (name),
      CONSTRAINT threshold_state_check CHECK (state IN ('ok', 'exceeded')),
      CONSTRAINT threshold_above_check CHECK (num_nonnulls(above_ms, above_ratio) = 1)
    );`,
  down: `
    DROP TABLE threshold;`,
};
