import { Command } from 'commander';
import type { CommandRun } from './command-run.js';
import { addAgents } from './commands/agents.js';
import { addAudit } from './commands/audit.js';
import { addCompletion } from './commands/completion.js';
import { addDiagnose } from './commands/diagnose.js';
import { addDns } from './commands/dns.js';
import { addDoctor } from './commands/doctor.js';
import { addFindings } from './commands/findings.js';
import { addHandshake } from './commands/handshake.js';
import { addListeners } from './commands/listeners.js';
import { addLookups } from './commands/lookups.js';
import { addSchedule } from './commands/schedule.js';
import { addSlow } from './commands/slow.js';
import { addThreshold } from './commands/threshold.js';
import { addToken } from './commands/token.js';
import { addTrace } from './commands/trace.js';
import { addWebhook } from './commands/webhook.js';
import { defaultConfigurationFile } from './connection.js';
import type { Destination } from './surroundings.js';
import { CLI_VERSION } from './version.js';

/** In the order of the help. */
const COMMANDS = [
  addAgents,
  addTrace,
  addSlow,
  addHandshake,
  addDns,
  addLookups,
  addListeners,
  addFindings,
  addDiagnose,
  addSchedule,
  addThreshold,
  addWebhook,
  addToken,
  addAudit,
  addDoctor,
  addCompletion,
];

/** The whole command line. Its help and its complaints go to the run's outputs. */
export function createProgram(run: CommandRun): Command {
  const { output, errors, environment } = run.surroundings;
  // Commander does not wait; a reader who has gone misses nothing.
  const write = (destination: Destination) => (text: string) => {
    destination.write(text).catch(() => undefined);
  };
  const program = new Command('synscope')
    .description('Slow TCP handshakes and slow DNS across a fleet, for people and scripts.')
    .version(CLI_VERSION)
    .configureOutput({
      writeOut: write(output),
      writeErr: write(errors),
      getOutHelpWidth: () => output.columns ?? 100,
      getErrHelpWidth: () => errors.columns ?? 100,
      getOutHasColors: () => output.hasColors,
      getErrHasColors: () => errors.hasColors,
    })
    .exitOverride()
    .showHelpAfterError('(--help shows how it is used)')
    .addHelpText('after', moreHelp(defaultConfigurationFile(environment)));
  for (const add of COMMANDS) add(program, run);
  return program;
}

function moreHelp(configurationFile: string): string {
  return `
Environment:
  SYNSCOPE_URL     the control plane (default: http://127.0.0.1:8080)
  SYNSCOPE_TOKEN   an API token; on the control plane's host the administrator's is in <data dir>/admin-token
  SYNSCOPE_CONFIG  configuration file (default: ${configurationFile}), such as
                   {"url": "https://synscope.example.com", "token": "syn_…"}
  NO_COLOR, TZ     no colours; the zone of times in tables

Example:
  synscope trace start --selector env=prod --min-latency-ms 20 --wait && synscope slow --since 5m

Exit status: 0 done; 1 failed, or --fail-if-any and something was found; 2 bad usage.`;
}
