import { HANDSHAKE_OUTCOMES, HANDSHAKE_ROLES, type HandshakeFilter } from '@synscope/api-contract';
import { millisecondsToMicroseconds } from '@synscope/latency';

/** The partial indexes hold what is at least this slow, or failed. The same literal as in the migration, or they cannot be used. */
export const INDEXED_LATENCY_US = 20_000;

/** Which rows: filters with what the service has looked up for them, and both time bounds as values, RFC 3339. */
export interface HandshakeScope {
  readonly filter: HandshakeFilter;
  /** From `agentId` and `hostname`; null for all agents. */
  readonly agentIds: readonly string[] | null;
  /** Inclusive. */
  readonly since: string;
  /** Exclusive. */
  readonly until: string;
}

/**
 * SQL conditions with their parameters. Times and filters are parameters. The predicate of the partial indexes is added as literals where a
 * filter implies it: the planner has to prove it without knowing parameters.
 */
export class HandshakeConditions {
  readonly parameters: unknown[] = [];
  private readonly terms: string[] = [];
  /** Whether every row that can match is in the partial indexes. */
  readonly areIndexed: boolean;

  constructor({ filter, agentIds, since, until }: HandshakeScope) {
    this.add(`observed_at >= ${this.place(since)}::timestamptz`);
    this.add(`observed_at < ${this.place(until)}::timestamptz`);
    const minimumUs =
      filter.minLatencyMs === undefined ? null : millisecondsToMicroseconds(filter.minLatencyMs);
    const outcomes = filter.outcome?.map((name) => HANDSHAKE_OUTCOMES.indexOf(name) + 1);
    if (minimumUs !== null) this.add(`latency_us >= ${this.place(minimumUs)}`);
    if (outcomes) this.add(`outcome = ANY (${this.place(outcomes)}::smallint[])`);
    if (filter.role) {
      this.add(
        `role = ANY (${this.place(filter.role.map((name) => HANDSHAKE_ROLES.indexOf(name) + 1))}::smallint[])`,
      );
    }
    if (agentIds) this.add(`agent_id = ANY (${this.place(agentIds)}::uuid[])`);
    this.addSubject(filter);
    const isSlow = minimumUs !== null && minimumUs >= INDEXED_LATENCY_US;
    const isFailed = outcomes !== undefined && !outcomes.includes(1);
    if (isSlow) this.add(`latency_us >= ${INDEXED_LATENCY_US}`);
    if (isFailed) this.add('outcome <> 1');
    this.areIndexed = isSlow || isFailed;
  }

  /** The name of a new parameter that holds this value. */
  place(value: unknown): string {
    return `$${this.parameters.push(value)}`;
  }

  /** SQL of ours, values through {@link place}. */
  add(term: string): this {
    this.terms.push(term);
    return this;
  }

  get sql(): string {
    return this.terms.join(' AND ');
  }

  private addSubject(filter: HandshakeFilter): void {
    if (filter.sessionId) this.add(`${this.place(filter.sessionId)}::uuid = ANY (session_ids)`);
    if (filter.remoteAddress?.includes('/'))
      this.add(`remote_address <<= ${this.place(filter.remoteAddress)}::inet`);
    else if (filter.remoteAddress) this.add(`remote_address = ${this.place(filter.remoteAddress)}::inet`);
    if (filter.remotePort) this.add(`remote_port = ANY (${this.place(filter.remotePort)}::integer[])`);
    if (filter.localPort) this.add(`local_port = ANY (${this.place(filter.localPort)}::integer[])`);
    if (filter.processName) this.add(`process_name = ${this.place(filter.processName)}`);
  }
}
