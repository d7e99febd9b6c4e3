export { EmbeddedPostgresError, type EmbeddedPostgresErrorCode } from './errors.js';
export { type RunningPostgres, type StartPostgresOptions, startPostgres } from './start-postgres.js';
