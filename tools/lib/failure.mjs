/** A failure that is explained by its message alone, to the person at the terminal. */
export class Failure extends Error {
  /** @override */
  name = 'Failure';
}

/** The person pressed Ctrl-C, or the system asked us to end. */
export class Interrupted extends Error {
  /** @override */
  name = 'Interrupted';

  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(`interrupted by ${signal}`);
    this.signal = signal;
  }

  /** As shells do: 128 and the number of the signal. */
  get exitCode() {
    return 128 + ({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[String(this.signal)] ?? 0);
  }
}

/**
 * Runs a command's main function: its result is the exit code, and what it throws becomes one sentence.
 * @param {() => Promise<number>} main
 */
export async function runMain(main) {
  // The terminal may be closed before us; what has to be stopped is stopped all the same.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  try {
    process.exitCode = await main();
  } catch (error) {
    if (error instanceof Interrupted) {
      process.exitCode = error.exitCode;
    } else {
      const explained =
        error instanceof Failure || (error instanceof Error && error.name === 'EmbeddedPostgresError');
      console.error(`synscope: ${explained ? error.message : error instanceof Error ? error.stack : error}`);
      process.exitCode = 1;
    }
  }
}
