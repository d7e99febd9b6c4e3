import { createSecretKey } from 'node:crypto';
import type { DataDirectory } from '../data-directory.js';
import { ownNameKey, sharedNameKey } from './name-key.js';
import type { NamePolicy } from './name-policy.js';

/** The policy as it is configured. */
export type QueryNamesSetting =
  | { readonly kind: 'full' }
  /** Without a file the key is this host's own. */
  | { readonly kind: 'hash'; readonly keyFile: string | undefined }
  | { readonly kind: 'last_labels'; readonly labels: number };

/** A name of 253 characters has no more. */
const LABELS_MAX = 127;

/** Undefined for what is none of full, hash and last-labels=N. */
export function parseQueryNames(text: string, keyFile: string | undefined): QueryNamesSetting | undefined {
  if (text === 'full') return { kind: 'full' };
  if (text === 'hash') return { kind: 'hash', keyFile };
  const labels = Number(/^last-labels=(\d{1,3})$/.exec(text)?.[1]);
  return labels >= 1 && labels <= LABELS_MAX ? { kind: 'last_labels', labels } : undefined;
}

/** Throws AgentError if the key cannot be had. */
export function namePolicyOf(setting: QueryNamesSetting, directory: DataDirectory): NamePolicy {
  if (setting.kind !== 'hash') return setting;
  const { keyFile } = setting;
  const key = keyFile === undefined ? ownNameKey(directory) : sharedNameKey(keyFile);
  return { kind: 'hash', key: createSecretKey(key) };
}
