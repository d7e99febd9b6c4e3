import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { FleetClock } from './fleet-clock.js';

let application: TestApplication;
let database: pg.Client;
beforeAll(async () => {
  application = await startTestApplication();
  database = new pg.Client({ connectionString: application.databaseUrl });
  await database.connect();
});
afterAll(async () => {
  await database.end();
  await application.close();
});

describe('the clock of the fleet', () => {
  it('is that of the database, within what it says of itself, whatever the replica’s own clock says', async () => {
    const clock = application.app.get(FleetClock, { strict: false });
    const ownClock = vi.spyOn(Date, 'now').mockReturnValue(0);
    try {
      const before = clock.now();
      const { rows } = await database.query(
        'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text AS us',
      );
      const after = clock.now();
      const databaseUs = BigInt(rows[0].us);
      expect(databaseUs).toBeGreaterThanOrEqual(before.us - before.uncertaintyUs);
      expect(databaseUs).toBeLessThanOrEqual(after.us + after.uncertaintyUs);
    } finally {
      ownClock.mockRestore();
    }
  });
});
