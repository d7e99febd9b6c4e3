import { startTestDatabaseServer } from '@synscope/testing';

/** Runs once before the tests that need a database, also when only one file is run. */
export default (): Promise<() => Promise<void>> => startTestDatabaseServer(async (_url) => {});
