import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { CliError } from './cli-error.js';
import type { Surroundings } from './surroundings.js';

/** Where the control plane is, and who asks. */
export interface Connection {
  /** Without a slash at the end. */
  readonly url: string;
  readonly token: string;
}

export interface ConnectionFlags {
  readonly url?: string | undefined;
  readonly config?: string | undefined;
}

type Environment = Surroundings['environment'];

const DEFAULT_URL = 'http://127.0.0.1:8080';
const fileSchema = z.strictObject({ url: z.string().optional(), token: z.string().optional() });

/** The flag, else the environment, else the configuration file, else the default. Throws CliError. */
export function resolveConnection(flags: ConnectionFlags, environment: Environment): Connection {
  const file = readFile(flags.config ?? (environment['SYNSCOPE_CONFIG'] || undefined), environment);
  const token = environment['SYNSCOPE_TOKEN'] || file.token;
  return {
    url: checkedUrl(flags.url ?? (environment['SYNSCOPE_URL'] || undefined) ?? file.url ?? DEFAULT_URL),
    token: checkedToken(token, environment),
  };
}

export function defaultConfigurationFile(environment: Environment): string {
  const base = environment['XDG_CONFIG_HOME'] || join(environment['HOME'] || homedir(), '.config');
  return join(base, 'synscope', 'config.json');
}

function readFile(named: string | undefined, environment: Environment): z.output<typeof fileSchema> {
  const path = named ?? defaultConfigurationFile(environment);
  if (named === undefined && !existsSync(path)) return {};
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new CliError(`the configuration file ${path} cannot be read: ${(error as Error).message}`, 2);
  }
  const parsed = fileSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path: at, message }) => `${at.join('.') || 'top level'}: ${message}`,
  );
  throw new CliError(`the configuration file ${path} is wrong: ${problems.join('; ')}`, 2);
}

function checkedUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new CliError(
      `the address of the control plane must be a URL such as ${DEFAULT_URL}; it is ${JSON.stringify(text)}`,
      2,
    );
  }
  return text.replace(/\/+$/, '');
}

function checkedToken(token: string | undefined, environment: Environment): string {
  const adminToken = join(environment['SYNSCOPE_DATA_DIR'] || '<data dir>', 'admin-token');
  const hint = `SYNSCOPE_TOKEN, or "token" in ${defaultConfigurationFile(environment)}; on the control plane's host the administrator's is in ${adminToken}`;
  if (token === undefined) throw new CliError(`there is no API token: give it as ${hint}`, 2);
  if (token.startsWith('synj_')) {
    throw new CliError(
      `this is a join token, by which agents enrol; the API needs an API token: give it as ${hint}`,
      2,
    );
  }
  // What a header cannot carry.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new CliError('the API token holds characters that no token has, such as white space', 2);
  }
  return token;
}
