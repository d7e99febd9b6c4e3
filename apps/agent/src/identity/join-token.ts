import { AgentError } from '../agent-error.js';

/** What a join token says: the secret that buys a certificate, and whom to show it to. */
export interface JoinToken {
  readonly secret: string;
  /** base64url of SHA-256 over the SubjectPublicKeyInfo (DER) of the control plane's CA. */
  readonly pin: string;
}

const TOKEN = /^synj_([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$/;

/** Throws AgentError `token_malformed`. */
export function parseJoinToken(text: string): JoinToken {
  const [, secret, pin] = TOKEN.exec(text.trim()) ?? [];
  if (secret === undefined || pin === undefined) {
    throw new AgentError(
      'token_malformed',
      'the join token is incomplete: it has the form synj_<secret>.<43 characters>, as POST /api/v1/join-tokens printed it',
    );
  }
  return { secret, pin };
}
