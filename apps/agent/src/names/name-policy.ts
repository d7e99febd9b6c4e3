import { createHmac, type KeyObject } from 'node:crypto';
import type { SessionFilter } from '@synscope/protocol';

/** What this host lets out of the names that its processes look up. */
export type NamePolicy =
  | { readonly kind: 'full' }
  /** Names as HMAC-SHA-256 with this key; a key of bytes would be made into one for every name, which is most of the cost. */
  | { readonly kind: 'hash'; readonly key: KeyObject }
  /** Only so many labels, from the end; at least 1. */
  | { readonly kind: 'last_labels'; readonly labels: number };

/** Of the 64 of SHA-256: two names of one host meet once in 2^64. */
const HASH_DIGITS = 32;

/** What leaves the host of a name with these labels, none being the root. */
export function reportedName(policy: NamePolicy, labels: readonly string[]): string {
  const name = labels.length === 0 ? '.' : labels.join('.');
  switch (policy.kind) {
    case 'full':
      return name;
    case 'hash': {
      const digits = createHmac('sha256', policy.key).update(name).digest('hex').slice(0, HASH_DIGITS);
      // .invalid is never delegated (RFC 2606 §2), so that nobody takes it for a name that exists.
      return `${digits}.hashed.invalid`;
    }
    case 'last_labels':
      return labels.length > policy.labels ? `*.${labels.slice(-policy.labels).join('.')}` : name;
  }
}

/** For people who look at what this host can measure; empty if names leave as they are. */
export function namePolicyDetail(policy: NamePolicy): string {
  switch (policy.kind) {
    case 'full':
      return '';
    case 'hash':
      return 'names leave this host hashed; it refuses sessions that filter by name';
    case 'last_labels':
      return `only the ${lastLabels(policy.labels)} of names leaves this host; it refuses sessions that filter by more`;
  }
}

/**
 * Why a session with this filter may not run here; null if it may. The kernel filters by the true names, so that a filter tells of every
 * record that passes it what the policy would keep back.
 */
export function namePolicyRefusal(
  policy: NamePolicy,
  filter: Pick<Partial<SessionFilter>, 'queryNames' | 'queryNameSuffixes'>,
): string | null {
  if (policy.kind === 'full') return null;
  const lists = [
    ['filter.query_names', filter.queryNames ?? []],
    ['filter.query_name_suffixes', filter.queryNameSuffixes ?? []],
  ] as const;
  for (const [field, names] of lists) {
    if (names.length > 0 && policy.kind === 'hash') {
      return `${field} cannot be used on this host, which lets names out only as hashes (--query-names hash): leave it out`;
    }
    const limit = policy.kind === 'hash' ? 0 : policy.labels;
    const index = names.findIndex((name) => name.split('.').length > limit);
    if (index >= 0) {
      const labels = names[index]?.split('.').length;
      return `${field}[${index}] has ${labels} labels, and this host lets out only the ${lastLabels(limit)} of names (--query-names last-labels=${limit}): shorten it`;
    }
  }
  return null;
}

function lastLabels(labels: number): string {
  return labels === 1 ? 'last label' : `last ${labels} labels`;
}
