import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { AgentError } from '../agent-error.js';

const identitySchema = z.object({
  /** UUID, 32 hexadecimal digits. */
  agentId: z.string().regex(/^[0-9a-f]{32}$/),
  /** PEM. */
  certificate: z.string(),
  certificateAuthorities: z.array(z.string()).min(1),
});

/** Who this agent is, as the control plane attested it. The private key is kept apart. */
export type Identity = z.infer<typeof identitySchema>;

const IDENTITY_FILE = 'identity.json';
const KEY_FILE = 'agent-key.pem';

/** The agent's key and certificate in its data directory. Each file is replaced as a whole, so that a crash leaves the old or the new. */
export class IdentityStore {
  constructor(private readonly dataDirectory: string) {
    try {
      makeDirectory(resolve(dataDirectory));
    } catch (error) {
      throw this.unusable('cannot be made', error);
    }
  }

  /** Undefined if the agent never enrolled here. */
  load(): Identity | undefined {
    const text = this.read(IDENTITY_FILE);
    if (text === undefined || this.read(KEY_FILE) === undefined) return undefined;
    const parsed = identitySchema.safeParse(parseJson(text));
    if (!parsed.success) {
      throw new AgentError(
        'data_directory',
        `${join(this.dataDirectory, IDENTITY_FILE)} is damaged: remove it and enrol again with --token`,
      );
    }
    return parsed.data;
  }

  save(identity: Identity): void {
    this.replace(IDENTITY_FILE, `${JSON.stringify(identity, null, 2)}\n`);
  }

  /** The private key, PEM (PKCS #8); made here at the first call and never sent anywhere. */
  privateKey(): string {
    const held = this.read(KEY_FILE);
    if (held !== undefined) return held;
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    this.replace(KEY_FILE, privateKey);
    return privateKey;
  }

  private read(file: string): string | undefined {
    try {
      return readFileSync(join(this.dataDirectory, file), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw this.unusable('cannot be read', error);
    }
  }

  private replace(file: string, content: string): void {
    const path = join(this.dataDirectory, file);
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    try {
      const descriptor = openSync(temporary, 'wx', 0o600);
      try {
        writeSync(descriptor, content);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      chmodSync(temporary, 0o600);
      renameSync(temporary, path);
    } catch (error) {
      throw this.unusable('cannot be written', error);
    }
  }

  private unusable(problem: string, error: unknown): AgentError {
    return new AgentError(
      'data_directory',
      `the data directory ${this.dataDirectory} ${problem}: ${(error as Error).message}`,
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Folder by folder: where a file system takes no new folders (/proc), Node's own recursive mkdir tries for ever. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}
