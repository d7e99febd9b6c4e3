import { Command, CommanderError } from 'commander';
import { AgentError } from '../agent-error.js';
import { LOG_LEVELS } from '../log.js';
import { AGENT_VERSION } from '../version.js';
import {
  type Configuration,
  DEFAULT_BUFFER_BYTES,
  defaultDataDirectory,
  parseLabels,
  readConfigurationFile,
  resolveConfiguration,
  settingsOfEnvironment,
} from './configuration.js';

const MORE_HELP = `
Each setting is taken from the first of these that has it: the flag, the environment variable, the configuration file, the default.
Labels are merged by key in the same order. A token on the command line is visible to every user of the host (ps): prefer
SYNSCOPE_TOKEN or the file. The token is needed once; later starts use the identity in the data directory.

Of several addresses a random one is tried first, and the next one whenever one does not answer or lets go. All must be of one control plane.

What leaves this host of the names that its processes look up, for every session (--query-names):
  full            the names
  hash            HMAC-SHA-256 of each, as <32 hex digits>.hashed.invalid; sessions that filter by name are refused on this host
  last-labels=N   their last N labels, "*." before them where something was cut; sessions that filter by more labels are refused
The key of hash is made once in the data directory; hosts that shall have the same hashes are given one by --query-names-key-file.

Environment:
  SYNSCOPE_SERVER, SYNSCOPE_TOKEN, SYNSCOPE_LABELS (k=v,k=v), SYNSCOPE_DATA_DIR, SYNSCOPE_CONFIG, SYNSCOPE_PROBE,
  SYNSCOPE_LOG_LEVEL, SYNSCOPE_BUFFER_BYTES, SYNSCOPE_QUERY_NAMES, SYNSCOPE_QUERY_NAMES_KEY_FILE, SYNSCOPE_POLICY_FILE

Configuration file (JSON, every field may be left out):
  {"server": "control.example.com:9443", "token": "synj_…", "labels": {"env": "prod"}, "dataDir": "/var/lib/synscope-agent",
   "probe": "/usr/bin/synscope-probe", "logLevel": "info", "bufferBytes": ${DEFAULT_BUFFER_BYTES},
   "queryNames": "hash", "queryNamesKeyFile": "/etc/synscope/query-names-key", "policyFile": "/etc/synscope/policy.json"}

Policy file (--policy-file, JSON): what the control plane may have of this host, whatever it asks for. It is read again at SIGHUP and when it has
changed before a session starts. See docs/agent-policy.md.

Exit status: 0 ended as asked (SIGTERM, SIGINT); 1 the control plane refused this agent, or it cannot go on; 2 bad usage.
`;

interface Flags {
  readonly server?: readonly string[];
  readonly token?: string;
  readonly label?: readonly string[];
  readonly dataDir?: string;
  readonly config?: string;
  readonly probe?: string;
  readonly logLevel?: string;
  readonly bufferBytes?: string;
  readonly queryNames?: string;
  readonly queryNamesKeyFile?: string;
  readonly policyFile?: string;
}

/**
 * The configuration of `argv` (without node and script) and the environment; null if help or the version was asked for, and printed. Throws
 * AgentError `bad_usage` or `token_malformed`.
 */
export function parseCommandLine(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
): Configuration | null {
  const command = createCommand();
  try {
    command.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return null;
    throw new AgentError('bad_usage', error.message.replace(/^error: /, ''));
  }
  const flags = command.opts<Flags>();
  const { label, server, config, ...settings } = flags;
  const file = config ?? (environment['SYNSCOPE_CONFIG'] || undefined);
  return resolveConfiguration([
    {
      ...settings,
      server: server?.join(','),
      labels: label === undefined ? undefined : parseLabels(label, '--label'),
    },
    settingsOfEnvironment(environment),
    file === undefined ? {} : readConfigurationFile(file),
  ]);
}

function createCommand(): Command {
  return new Command('synscope-agent')
    .description('Traces TCP handshakes and DNS on this host for a Synscope control plane.')
    .version(AGENT_VERSION)
    .option(
      '--server <host:port>',
      "the control plane's gRPC address; of several replicas all, separated by commas or given several times",
      collect,
    )
    .option('--token <token>', 'join token, needed at the first start')
    .option('--label <key=value>', 'label of this host; may be given several times', collect)
    .option('--data-dir <path>', `where the identity is kept (default: ${defaultDataDirectory()})`)
    .option('--config <path>', 'configuration file')
    .option(
      '--probe <path>',
      'the synscope-probe program (default: the one built here, else the one on the PATH)',
    )
    .option('--log-level <level>', `${LOG_LEVELS.join(', ')} (default: info)`)
    .option('--buffer-bytes <n>', `memory for unsent records, bytes (default: ${DEFAULT_BUFFER_BYTES})`)
    .option('--query-names <policy>', 'full, hash or last-labels=N (default: full)')
    .option('--query-names-key-file <path>', 'key for --query-names hash, at least 32 bytes')
    .option('--policy-file <path>', 'what the control plane may have of this host (default: everything)')
    .addHelpText('after', MORE_HELP)
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined })
    .exitOverride();
}

function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}
