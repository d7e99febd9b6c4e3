import type { RecordFilter } from '@synscope/api-contract';

export type LatencyFilter = RecordFilter & { readonly minLatencyMs?: number | undefined };

/** Which rows: filters with what has been looked up for them, and both time bounds as values, RFC 3339. */
export interface RecordScope<F extends LatencyFilter> {
  readonly filter: F;
  /** From `agentId` and `hostname`; null for all agents. */
  readonly agentIds: readonly string[] | null;
  /** Inclusive. */
  readonly since: string;
  /** Exclusive. */
  readonly until: string;
}
