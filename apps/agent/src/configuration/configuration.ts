import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { labelProblems } from '@synscope/selector';
import { z } from 'zod';
import { AgentError } from '../agent-error.js';
import { type JoinToken, parseJoinToken } from '../identity/join-token.js';
import type { ServerAddress } from '../identity/server-address.js';
import { parseServerAddresses } from '../identity/server-addresses.js';
import { LOG_LEVELS, type LogLevel } from '../log.js';
import { parseQueryNames, type QueryNamesSetting } from '../names/query-names-setting.js';

export interface Configuration {
  /** Of the control plane's replicas, at least one. */
  readonly servers: readonly ServerAddress[];
  readonly token: JoinToken | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly dataDir: string;
  readonly probe: string;
  readonly logLevel: LogLevel;
  readonly bufferBytes: number;
  readonly queryNames: QueryNamesSetting;
  readonly policyFile: string | undefined;
}

/** Settings as one source gives them; what it leaves out comes from the next: flag, environment, file, default. */
export interface Settings {
  /** Addresses separated by commas. */
  readonly server?: string | undefined;
  readonly token?: string | undefined;
  /** Merged by key over the sources. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly dataDir?: string | undefined;
  readonly probe?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly bufferBytes?: number | string | undefined;
  readonly queryNames?: string | undefined;
  readonly queryNamesKeyFile?: string | undefined;
  readonly policyFile?: string | undefined;
}

export const DEFAULT_BUFFER_BYTES = 32 * 1024 * 1024;
export const LEAST_BUFFER_BYTES = 1024 * 1024;

const fileSchema = z.strictObject({
  server: z.string().optional(),
  token: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  dataDir: z.string().optional(),
  probe: z.string().optional(),
  logLevel: z.string().optional(),
  bufferBytes: z.number().optional(),
  queryNames: z.string().optional(),
  queryNamesKeyFile: z.string().optional(),
  policyFile: z.string().optional(),
});

/** Throws AgentError `bad_usage` that names the file and the field. */
export function readConfigurationFile(path: string): Settings {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new AgentError(
      'bad_usage',
      `the configuration file ${path} cannot be read: ${(error as Error).message}`,
    );
  }
  const parsed = fileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path: field, message }) => `${field.join('.') || 'top level'}: ${message}`,
  );
  throw new AgentError('bad_usage', `the configuration file ${path} is wrong: ${problems.join('; ')}`);
}

export function settingsOfEnvironment(environment: NodeJS.ProcessEnv): Settings {
  const value = (name: string) => environment[name] || undefined;
  const labels = value('SYNSCOPE_LABELS');
  return {
    server: value('SYNSCOPE_SERVER'),
    token: value('SYNSCOPE_TOKEN'),
    labels: labels === undefined ? undefined : parseLabels(labels.split(','), 'SYNSCOPE_LABELS'),
    dataDir: value('SYNSCOPE_DATA_DIR'),
    probe: value('SYNSCOPE_PROBE'),
    logLevel: value('SYNSCOPE_LOG_LEVEL'),
    bufferBytes: value('SYNSCOPE_BUFFER_BYTES'),
    queryNames: value('SYNSCOPE_QUERY_NAMES'),
    queryNamesKeyFile: value('SYNSCOPE_QUERY_NAMES_KEY_FILE'),
    policyFile: value('SYNSCOPE_POLICY_FILE'),
  };
}

/** `key=value` texts. Throws AgentError `bad_usage`. */
export function parseLabels(pairs: readonly string[], source: string): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const equals = pair.indexOf('=');
      if (equals < 1) {
        throw new AgentError('bad_usage', `${source}: ${JSON.stringify(pair)} is no label; write key=value`);
      }
      return [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()];
    }),
  );
}

/** The sources, strongest first, over the defaults. Throws AgentError `bad_usage` or `token_malformed`. */
export function resolveConfiguration(sources: readonly Settings[]): Configuration {
  const first = <K extends keyof Settings>(key: K): Settings[K] =>
    sources.find((source) => source[key] !== undefined)?.[key];
  const server = first('server');
  if (server === undefined) {
    throw new AgentError(
      'bad_usage',
      'no control plane is named: give --server HOST:PORT, SYNSCOPE_SERVER, or "server" in the configuration file',
    );
  }
  const token = first('token');
  return {
    servers: parseServerAddresses(server),
    token: token === undefined ? undefined : parseJoinToken(token),
    labels: checkedLabels(Object.assign({}, ...sources.map((source) => source.labels ?? {}).reverse())),
    dataDir: first('dataDir') ?? defaultDataDirectory(),
    probe: first('probe') ?? defaultProbe(),
    logLevel: checkedLogLevel(first('logLevel') ?? 'info'),
    bufferBytes: checkedBufferBytes(first('bufferBytes') ?? DEFAULT_BUFFER_BYTES),
    queryNames: checkedQueryNames(first('queryNames') ?? 'full', first('queryNamesKeyFile')),
    policyFile: first('policyFile'),
  };
}

export function defaultDataDirectory(): string {
  if (process.getuid?.() === 0) return '/var/lib/synscope-agent';
  return join(process.env['XDG_STATE_HOME'] || join(os.homedir(), '.local', 'state'), 'synscope-agent');
}

/** The one built in this checkout, else the one on the PATH. */
export function defaultProbe(): string {
  const built = fileURLToPath(new URL('../../../../bpf/.build/synscope-probe', import.meta.url));
  return existsSync(built) ? built : 'synscope-probe';
}

function checkedLabels(labels: Record<string, string>): Record<string, string> {
  const [problem] = labelProblems(labels);
  if (problem !== undefined)
    throw new AgentError('bad_usage', `label ${JSON.stringify(problem.key)}: ${problem.message}`);
  return labels;
}

function checkedLogLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text);
  if (level === undefined) {
    throw new AgentError(
      'bad_usage',
      `log level must be one of ${LOG_LEVELS.join(', ')}; it is ${JSON.stringify(text)}`,
    );
  }
  return level;
}

function checkedBufferBytes(value: number | string): number {
  const bytes = Number(value);
  if (!Number.isSafeInteger(bytes) || bytes < LEAST_BUFFER_BYTES) {
    throw new AgentError(
      'bad_usage',
      `buffer bytes must be a whole number of at least ${LEAST_BUFFER_BYTES}; it is ${JSON.stringify(value)}`,
    );
  }
  return bytes;
}

function checkedQueryNames(text: string, keyFile: string | undefined): QueryNamesSetting {
  const setting = parseQueryNames(text, keyFile);
  if (setting === undefined) {
    throw new AgentError(
      'bad_usage',
      `--query-names must be full, hash or last-labels=N with N from 1 to 127; it is ${JSON.stringify(text)}`,
    );
  }
  if (keyFile !== undefined && setting.kind !== 'hash') {
    throw new AgentError(
      'bad_usage',
      `--query-names-key-file is given, but --query-names is ${text}, which uses no key: give --query-names hash, or leave the file out`,
    );
  }
  return setting;
}
