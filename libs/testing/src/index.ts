export {
  createEmptyTestDatabase,
  createTestDatabase,
  startTestDatabaseServer,
  type TestDatabase,
} from './test-database.js';
export { startThrowawayPostgres, type ThrowawayPostgres } from './throwaway-postgres.js';
