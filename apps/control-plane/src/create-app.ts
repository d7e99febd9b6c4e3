import 'reflect-metadata';
import { RequestMethod } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { applicationModule } from './application.module.js';
import type { Configuration } from './config/configuration.js';
import { formatListenAddress, type ListenAddress } from './config/value-schemas.js';
import { prepareDatabase } from './database/prepare-database.js';
import { HttpAdapter } from './http/http-adapter.js';
import { limitNesting } from './http/nesting-limit.js';
import { measureRequests } from './http/request-metrics.js';
import { addSecurityHeaders } from './http/security-headers.js';
import { BoundAddresses } from './lifecycle/bound-addresses.js';
import { prepareDataDirectory } from './lifecycle/data-directory.js';
import { listenError } from './lifecycle/listen-error.js';
import { createLogger } from './logging/create-logger.js';
import { NestLogger } from './logging/nest-logger.js';
import { logRequests } from './logging/request-logging.js';
import { MetricsRegistry } from './metrics/metrics-registry.js';
import { serveOpenApi } from './openapi/serve-openapi.js';

const UNPREFIXED_ROUTES = ['healthz', 'readyz', 'metrics'].map((path) => ({
  path,
  method: RequestMethod.GET,
}));

/** A control plane that is ready to listen: data directory and database prepared, modules wired. */
export async function createApp(
  configuration: Configuration,
  logger: Logger = createLogger(configuration),
): Promise<NestFastifyApplication> {
  await prepareDataDirectory(configuration.dataDirectory);
  await prepareDatabase({
    databaseUrl: configuration.databaseUrl,
    waitSeconds: configuration.databaseWaitSeconds,
    log: (message) => logger.info({ context: 'Database' }, message),
  });
  const adapter = new HttpAdapter(configuration);
  logRequests(adapter.getInstance(), logger);
  addSecurityHeaders(adapter.getInstance());
  limitNesting(adapter.getInstance());
  const app = await NestFactory.create<NestFastifyApplication>(applicationModule(configuration), adapter, {
    logger: new NestLogger(logger),
    bodyParser: false,
    abortOnError: false,
  });
  measureRequests(adapter.getInstance(), app.get(MetricsRegistry));
  setRoutePrefix(app);
  serveOpenApi(app);
  return app;
}

/** Its routes, to be described and not called: Nest's preview makes no instance of anything, so no database is needed. */
export async function createPreview(configuration: Configuration): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    applicationModule(configuration),
    new HttpAdapter(configuration),
    { preview: true, logger: ['error'], abortOnError: false },
  );
  setRoutePrefix(app);
  return app;
}

function setRoutePrefix(app: NestFastifyApplication): void {
  app.setGlobalPrefix('api/v1', { exclude: UNPREFIXED_ROUTES });
}

export interface ListeningAddresses {
  readonly httpAddress: string;
  /** Null as long as no gRPC server is part of the application. */
  readonly grpcAddress: string | null;
}

/** Starts the servers and returns where they listen. Closes what was started if one of them cannot. */
export async function listen(
  app: NestFastifyApplication,
  { httpAddress }: Configuration,
): Promise<ListeningAddresses> {
  const bound = app.get(BoundAddresses);
  try {
    await app.init();
    await app.listen(httpAddress.port, httpAddress.host).catch((error: unknown) => {
      throw listenError(error, 'SYNSCOPE_HTTP_ADDR', httpAddress);
    });
  } catch (error) {
    await app.close();
    throw error;
  }
  bound.http = { host: httpAddress.host, port: boundPort(app, httpAddress) };
  return {
    httpAddress: formatListenAddress(bound.http),
    grpcAddress: bound.grpc && formatListenAddress(bound.grpc),
  };
}

function boundPort(app: NestFastifyApplication, { port }: ListenAddress): number {
  const address = app.getHttpServer().address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
