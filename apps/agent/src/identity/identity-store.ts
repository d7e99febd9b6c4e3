import { generateKeyPairSync } from 'node:crypto';
import { z } from 'zod';
import { AgentError } from '../agent-error.js';
import type { DataDirectory } from '../data-directory.js';

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

/** The agent's key and certificate in its data directory. */
export class IdentityStore {
  constructor(private readonly directory: DataDirectory) {}

  /** Undefined if the agent never enrolled here. */
  load(): Identity | undefined {
    const text = this.directory.read(IDENTITY_FILE);
    if (text === undefined || this.directory.read(KEY_FILE) === undefined) return undefined;
    const parsed = identitySchema.safeParse(parseJson(text));
    if (!parsed.success) {
      throw new AgentError(
        'data_directory',
        `${this.directory.pathOf(IDENTITY_FILE)} is damaged: remove it and enrol again with --token`,
      );
    }
    return parsed.data;
  }

  save(identity: Identity): void {
    this.directory.replace(IDENTITY_FILE, `${JSON.stringify(identity, null, 2)}\n`);
  }

  /** The private key, PEM (PKCS #8); made here at the first call and never sent anywhere. */
  privateKey(): string {
    const held = this.directory.read(KEY_FILE);
    if (held !== undefined) return held;
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    this.directory.replace(KEY_FILE, privateKey);
    return privateKey;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
