import { startTestDatabaseServer } from '@synscope/testing';

/** Runs once before the tests that need a database, also when only one file is run. */
export default (): Promise<() => Promise<void>> =>
  startTestDatabaseServer(async (databaseUrl) => {
    const { prepareDatabase } = await import('../../apps/control-plane/src/database/prepare-database.js');
    await prepareDatabase({ databaseUrl, waitSeconds: 0, log: () => {} });
  });
