import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { AgentError } from '../agent-error.js';
import type { Log } from '../log.js';
import { type HostPolicy, hostPolicySchema } from './host-policy.js';

const WRITABLE_BY_OTHERS = 0o022;

/**
 * The policy in its file. It is read at the start, which fails over a bad one, at SIGHUP, and when it has changed since, before a session starts. A bad
 * one does not take the place of the good one before it.
 */
export class PolicyFile {
  private policy: HostPolicy;
  private version: string;
  /** What is wrong with the file as it is now; empty if nothing. */
  private wrong = '';

  /** Without a path nothing is limited. Throws AgentError `bad_usage` that names the field. */
  constructor(
    private readonly path: string | undefined,
    private readonly log: Log,
  ) {
    this.version = this.versionNow();
    this.policy = path === undefined ? {} : readPolicy(path);
  }

  /** What is wrong with the file, if the policy is an older one for that. */
  get problem(): string {
    return this.wrong;
  }

  /** As it was read last; asks for no file. */
  get latest(): HostPolicy {
    return this.policy;
  }

  /** As it is in the file now. */
  current(): HostPolicy {
    if (this.path === undefined) return this.policy;
    const version = this.versionNow();
    if (version === this.version) return this.policy;
    this.version = version;
    try {
      this.policy = readPolicy(this.path);
      this.wrong = '';
      this.log.info({ path: this.path }, 'the policy was read again');
    } catch (error) {
      this.wrong = (error as Error).message;
      this.log.error({ reason: this.wrong }, 'the policy stays as it was');
    }
    return this.policy;
  }

  private versionNow(): string {
    if (this.path === undefined) return '';
    try {
      const { ino, mtimeMs, ctimeMs, size } = statSync(this.path);
      return [ino, mtimeMs, ctimeMs, size].join(' ');
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code);
    }
  }
}

function readPolicy(path: string): HostPolicy {
  const parsed = hostPolicySchema.safeParse(parseJson(path, readTrusted(path)));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path: field, message }) => `${field.join('.') || 'top level'}: ${message}`,
  );
  throw new AgentError('bad_usage', `the policy file ${path} is wrong: ${problems.join('; ')}`);
}

/** Its text, unless others than root and the agent's own user could have written it. */
function readTrusted(path: string): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const { uid, mode } = fstatSync(descriptor);
    if ((uid !== 0 && uid !== process.getuid?.()) || (mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new AgentError(
        'bad_usage',
        `the policy file ${path} can be written by others than root: chown root:root and chmod 644 it`,
      );
    }
    return readFileSync(descriptor, 'utf8');
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw new AgentError('bad_usage', `the policy file ${path} cannot be read: ${(error as Error).message}`);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AgentError('bad_usage', `the policy file ${path} is no JSON: ${(error as Error).message}`);
  }
}
