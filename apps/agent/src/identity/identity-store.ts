import { generateKeyPairSync } from 'node:crypto';
import { z } from 'zod';
import { AgentError } from '../agent-error.js';
import type { DataDirectory } from '../data-directory.js';

const attestedSchema = z.object({
  /** UUID, 32 hexadecimal digits. */
  agentId: z.string().regex(/^[0-9a-f]{32}$/),
  /** PEM. */
  certificate: z.string(),
  certificateAuthorities: z.array(z.string()).min(1),
});

/** Absent in what older agents stored: it is in the file of the key then. */
const storedSchema = attestedSchema.extend({ privateKey: z.string().optional() });

const identitySchema = attestedSchema.extend({
  /** PEM (PKCS #8); made on this host, and never sent anywhere. */
  privateKey: z.string(),
});

/** Who this agent is, as the control plane attested it. */
export type Identity = z.infer<typeof identitySchema>;

const successorSchema = z.object({ privateKey: z.string(), identity: identitySchema.optional() });

/** What is to come after the identity: a new key, and what the control plane attested for it, once it has. */
export type Successor = z.infer<typeof successorSchema>;

const IDENTITY_FILE = 'identity.json';
const KEY_FILE = 'agent-key.pem';
const SUCCESSOR_FILE = 'next-identity.json';

/**
 * The agent's keys and certificates in its data directory. A successor is kept beside the identity until a stream was opened with it, so that
 * whenever the agent dies it finds one that the control plane takes.
 */
export class IdentityStore {
  constructor(private readonly directory: DataDirectory) {}

  /** Undefined if the agent never enrolled here. */
  load(): Identity | undefined {
    const text = this.directory.read(IDENTITY_FILE);
    if (text === undefined) return undefined;
    const parsed = storedSchema.safeParse(parseJson(text));
    if (!parsed.success) {
      throw new AgentError(
        'data_directory',
        `${this.directory.pathOf(IDENTITY_FILE)} is damaged: remove it and enrol again with --token`,
      );
    }
    const privateKey = parsed.data.privateKey ?? this.directory.read(KEY_FILE);
    return privateKey === undefined ? undefined : { ...parsed.data, privateKey };
  }

  /** The identity from now on. A crash in between leaves the old one with its successor, or the new one. */
  save(identity: Identity): void {
    this.directory.replace(IDENTITY_FILE, `${JSON.stringify(identity, null, 2)}\n`);
    // With it the host enrols again as the same agent, should the file of the identity get lost.
    if (this.directory.read(KEY_FILE) !== identity.privateKey) {
      this.directory.replace(KEY_FILE, identity.privateKey);
    }
    this.dropSuccessor();
  }

  /** Undefined if there is none, or what there is cannot be read: another one can be had. */
  successor(): Successor | undefined {
    const text = this.directory.read(SUCCESSOR_FILE);
    return text === undefined ? undefined : successorSchema.safeParse(parseJson(text)).data;
  }

  saveSuccessor(successor: Successor): void {
    this.directory.replace(SUCCESSOR_FILE, `${JSON.stringify(successor, null, 2)}\n`);
  }

  dropSuccessor(): void {
    this.directory.remove(SUCCESSOR_FILE);
  }

  /** This host is nobody any more: the next enrolment makes it a new agent with a new key. */
  forget(): void {
    this.dropSuccessor();
    this.directory.remove(IDENTITY_FILE);
    this.directory.remove(KEY_FILE);
  }

  /** The key to enrol with; made at the first call. */
  enrolmentKey(): string {
    const held = this.load()?.privateKey ?? this.directory.read(KEY_FILE);
    if (held !== undefined) return held;
    const privateKey = newPrivateKey();
    this.directory.replace(KEY_FILE, privateKey);
    return privateKey;
  }
}

/** PEM (PKCS #8), P-256. */
export function newPrivateKey(): string {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
