import { run } from './run.js';
import { streamDestination } from './stream-destination.js';

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interruption.abort(signal));
}

process.exitCode = await run({
  argv: process.argv.slice(2),
  environment: process.env,
  output: streamDestination(process.stdout),
  errors: streamDestination(process.stderr),
  interrupted: interruption.signal,
});
// A connection that lingers is not worth waiting for.
process.exit();
