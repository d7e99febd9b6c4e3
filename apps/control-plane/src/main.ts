import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import { Configuration } from './config/configuration.js';
import { createApp, type ListeningAddresses, listen } from './create-app.js';
import { StartupError } from './lifecycle/startup-error.js';
import { createLogger } from './logging/create-logger.js';

async function main(): Promise<void> {
  const configuration = Configuration.fromEnvironment(process.env);
  const logger = createLogger(configuration);
  const stopRequested = onceStopRequested();
  const app = await createApp(configuration, logger);
  announce(await listen(app, configuration), logger);
  logger.info(`stopping on ${await stopRequested}`);
  await stop(app, configuration.shutdownTimeoutSeconds, logger);
}

/** One line (and, started with an IPC channel, one message) that whoever started the process can wait for, whatever the log level. */
function announce(addresses: ListeningAddresses, logger: Logger): void {
  const ready = { event: 'ready', ...addresses };
  logger.child({}, { level: 'info' }).info(ready, 'ready');
  process.send?.(ready);
}

function onceStopRequested(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal));
  });
}

/** Stops accepting, lets requests under way finish, then cuts what is left. */
async function stop(app: NestFastifyApplication, timeoutSeconds: number, logger: Logger): Promise<void> {
  const deadline = setTimeout(() => {
    logger.warn(
      `requests were still under way after ${timeoutSeconds} s (SYNSCOPE_SHUTDOWN_TIMEOUT); they are cut`,
    );
    app.getHttpServer().closeAllConnections();
  }, timeoutSeconds * 1_000);
  await app.close();
  clearTimeout(deadline);
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    if (error instanceof StartupError) process.stderr.write(`synscope-control-plane: ${error.message}\n`);
    else
      process.stderr.write(
        `synscope-control-plane: unexpected error at the start: ${error instanceof Error ? error.stack : String(error)}\n`,
      );
    process.exit(1);
  },
);
