import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { Configuration } from './config/configuration.js';
import { createApp, type ListeningAddresses, listen } from './create-app.js';
import { StartupError } from './lifecycle/startup-error.js';
import { createLogger } from './logging/create-logger.js';

export interface ProcessSurroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Settles, with the name of the signal, when the process shall end. */
  readonly stopRequested: Promise<string>;
  readonly writeError: (text: string) => void;
  /** Told of the addresses, besides the log, once everything listens. */
  readonly onReady?: (ready: { readonly event: 'ready' } & ListeningAddresses) => void;
  /** Takes the log in place of stdout. */
  readonly logger?: Logger;
}

/** The whole life of a control plane: start, serve, stop. Returns the exit code. */
export async function run(surroundings: ProcessSurroundings): Promise<number> {
  try {
    await serve(surroundings);
    return 0;
  } catch (error) {
    surroundings.writeError(`synscope-control-plane: ${explain(error)}\n`);
    return 1;
  }
}

async function serve({ environment, stopRequested, onReady, ...given }: ProcessSurroundings): Promise<void> {
  const configuration = Configuration.fromEnvironment(environment);
  const logger = given.logger ?? createLogger(configuration);
  const starting = createApp(configuration, logger);
  const first = await Promise.race([starting, stopRequested]);
  if (typeof first === 'string') {
    // Nothing is served yet, and a migration that is cut off is rolled back; so there is nothing to wait for.
    logger.info(`stopping on ${first}, before the start was complete`);
    starting.then((app) => app.close()).catch(() => undefined);
    return;
  }
  const app = first;
  const ready = { event: 'ready' as const, ...(await listen(app, configuration)) };
  // Whoever started the process waits for this one line, so it is written whatever the log level.
  logger.child({}, { level: 'info' }).info(ready, 'ready');
  onReady?.(ready);
  logger.info(`stopping on ${await stopRequested}`);
  await stop(app, configuration.shutdownTimeoutSeconds, logger);
}

/** Stops accepting, lets requests under way finish, then cuts what is left. */
async function stop(app: NestFastifyApplication, timeoutSeconds: number, logger: Logger): Promise<void> {
  const deadline = setTimeout(() => {
    logger.warn(`requests were under way after ${timeoutSeconds} s (SYNSCOPE_SHUTDOWN_TIMEOUT) and are cut`);
    app.getHttpServer().closeAllConnections();
  }, timeoutSeconds * 1_000);
  try {
    await app.close();
  } finally {
    clearTimeout(deadline);
  }
}

function explain(error: unknown): string {
  if (error instanceof StartupError) return error.message;
  return `unexpected error: ${error instanceof Error ? error.stack : String(error)}`;
}
