import type { Migration } from '../migration.js';

export const auditBeforeAfter: Migration = {
  number: 13,
  name: '0013-audit-before-after',
  up: `
    -- Null where there was nothing before (a creation), is nothing after (a deletion), or the event is older than this step.
    ALTER TABLE audit_event ADD COLUMN before jsonb;
    ALTER TABLE audit_event ADD COLUMN after jsonb;
    -- Where the request came from; null for what the control plane does by itself.
    ALTER TABLE audit_event ADD COLUMN source_address text;
    ALTER TABLE audit_event ADD COLUMN request_id text;`,
  down: `
    ALTER TABLE audit_event DROP COLUMN request_id;
    ALTER TABLE audit_event DROP COLUMN source_address;
    ALTER TABLE audit_event DROP COLUMN after;
    ALTER TABLE audit_event DROP COLUMN before;`,
};
