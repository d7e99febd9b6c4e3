import { Global, Logger, Module, type OnApplicationShutdown } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Configuration } from '../config/configuration.js';
import { createDatabasePool, DatabasePool } from './database-pool.js';
import { SnakeNamingStrategy } from './snake-naming-strategy.js';

const CONTROL_TABLE_CONNECTIONS = 5;
const logger = new Logger('Database');

@Global()
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      inject: [Configuration],
      useFactory: (configuration: Configuration) => ({
        type: 'postgres',
        url: configuration.databaseUrl,
        autoLoadEntities: true,
        // The schema is made by SQL migrations before the application starts.
        synchronize: false,
        migrationsRun: false,
        uuidExtension: 'pgcrypto',
        installExtensions: false,
        namingStrategy: new SnakeNamingStrategy(),
        logging: false,
        retryAttempts: 1,
        applicationName: 'synscope-control',
        connectTimeoutMS: 5_000,
        poolErrorHandler: reportLostConnection,
        extra: {
          max: CONTROL_TABLE_CONNECTIONS,
          keepAlive: true,
          statement_timeout: configuration.databaseQueryTimeoutSeconds * 1_000,
        },
      }),
    }),
  ],
  providers: [
    {
      provide: DatabasePool,
      inject: [Configuration],
      useFactory: (configuration: Configuration) =>
        createDatabasePool({
          connectionString: configuration.databaseUrl,
          maximumConnections: configuration.databasePoolSize,
          statementTimeoutMs: configuration.databaseQueryTimeoutSeconds * 1_000,
          onConnectionLost: reportLostConnection,
        }),
    },
  ],
  exports: [DatabasePool],
})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(private readonly pool: DatabasePool) {}

  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}

function reportLostConnection(error: unknown): void {
  logger.warn(
    `an idle database connection was lost: ${error instanceof Error ? error.message : String(error)}`,
  );
}
