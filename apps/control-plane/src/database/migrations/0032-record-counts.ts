import type { Migration } from '../migration.js';

export const recordCounts: Migration = {
  number: 32,
  name: '0032-record-counts',
  up: `
    -- Counted by probe now, in session_target_records.
    ALTER TABLE session_target DROP COLUMN record_count, DROP COLUMN earlier_record_count;`,
  down: `
    ALTER TABLE session_target
      ADD COLUMN record_count bigint NOT NULL DEFAULT 0,
      ADD COLUMN earlier_record_count bigint NOT NULL DEFAULT 0;
    UPDATE session_target t SET record_count = c.record_count, earlier_record_count = c.earlier_record_count
      FROM (SELECT session_id, agent_id, sum(record_count) AS record_count, sum(earlier_record_count) AS earlier_record_count
              FROM session_target_records GROUP BY session_id, agent_id) AS c
     WHERE c.session_id = t.session_id AND c.agent_id = t.agent_id;`,
};
