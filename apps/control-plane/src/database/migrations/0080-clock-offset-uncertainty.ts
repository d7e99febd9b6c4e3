import type { Migration } from '../migration.js';

export const clockOffsetUncertainty: Migration = {
  number: 80,
  name: '0080-clock-offset-uncertainty',
  up: `
    -- The agent's clock less that of the database, which all replicas share, is within clock_offset_us ± clock_offset_uncertainty_us. Without an
    -- uncertainty the agent speaks protocol 1: the offset is then from one way, which is in it.
    ALTER TABLE agent ADD COLUMN clock_offset_uncertainty_us bigint;`,
  down: 'ALTER TABLE agent DROP COLUMN clock_offset_uncertainty_us;',
};
