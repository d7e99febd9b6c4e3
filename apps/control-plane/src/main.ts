import { run } from './run.js';

const stopRequested = new Promise<string>((resolve) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal));
});

process.exitCode = await run({
  environment: process.env,
  stopRequested,
  writeError: (text) => process.stderr.write(text),
  onReady: (ready) => process.send?.(ready),
});
// What still holds the event loop now (a timer, an idle socket) is not worth waiting for.
process.exit();
