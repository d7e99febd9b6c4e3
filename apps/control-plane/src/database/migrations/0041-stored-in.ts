import type { Migration } from '../migration.js';

export const storedIn: Migration = {
  number: 41,
  name: '0041-stored-in',
  up: `
    -- The transaction that stored the batch: with the snapshot of a reader it tells exactly what was committed since, in whatever order
    -- transactions began and ended, and whatever the clocks of the replicas say. Null for what was stored before this step.
    ALTER TABLE ingest_batch ADD COLUMN stored_in xid8;
    ALTER TABLE ingest_batch ALTER COLUMN stored_in SET DEFAULT pg_current_xact_id();
    CREATE INDEX ingest_batch_stored_in ON ingest_batch (stored_in);

    -- Nothing of the session is stored by an earlier transaction.
    ALTER TABLE trace_session ADD COLUMN created_in xid8;
    ALTER TABLE trace_session ALTER COLUMN created_in SET DEFAULT pg_current_xact_id();`,
  down: `
    ALTER TABLE trace_session DROP COLUMN created_in;
    ALTER TABLE ingest_batch DROP COLUMN stored_in;`,
};
