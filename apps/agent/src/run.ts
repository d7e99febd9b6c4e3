import { Agent } from './agent.js';
import { AgentError } from './agent-error.js';
import { parseCommandLine } from './configuration/command-line.js';
import { createLog } from './log.js';

/** Runs until a signal or a failure; the exit status. Throws AgentError if it cannot start. */
async function run(): Promise<number> {
  const stopAsked = new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  const configuration = parseCommandLine(process.argv.slice(2), process.env);
  if (configuration === null) return 0;
  const log = createLog(configuration.logLevel);
  const agent = new Agent(configuration, log);
  process.on('SIGHUP', () => agent.reloadPolicy());
  const started = agent.start();
  // Until it has started a signal ends it at once: nothing runs yet that would have to be taken off.
  const early = await Promise.race([started.then(() => undefined), stopAsked]);
  if (early !== undefined) {
    await agent.stop();
    return 0;
  }
  const ended = await Promise.race([agent.failure, stopAsked]);
  if (ended instanceof AgentError) {
    await agent.stop();
    throw ended;
  }
  log.info({ signal: ended }, 'ending');
  await agent.stop();
  log.info({}, 'ended');
  return 0;
}

try {
  process.exitCode = await run();
} catch (error) {
  if (!(error instanceof AgentError)) throw error;
  process.stderr.write(`synscope-agent: ${error.message}\n`);
  if (error.code === 'bad_usage') process.stderr.write('synscope-agent --help shows how it is used\n');
  process.exitCode = error.exitStatus;
}
// Ended as far as it matters: a connection that still lingers must not keep the process.
process.exit();
