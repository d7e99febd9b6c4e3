export {
  createKey,
  type EnrolOptions,
  enrolFakeAgent,
  type FakeIdentity,
  type FakeKey,
  fetchAuthority,
  identityFrom,
  uuidBytes,
  uuidText,
} from './fake-agent/enrol.js';
export { FakeAgent, type FakeAgentOptions } from './fake-agent/fake-agent.js';
export { Inbox } from './fake-agent/inbox.js';
export {
  createEmptyTestDatabase,
  createTestDatabase,
  startTestDatabaseServer,
  type TestDatabase,
} from './test-database.js';
export { startThrowawayPostgres, type ThrowawayPostgres } from './throwaway-postgres.js';
