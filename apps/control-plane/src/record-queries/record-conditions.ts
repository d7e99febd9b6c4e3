import { millisecondsToMicroseconds } from '@synscope/latency';
import type { LatencyFilter, RecordScope } from './record-scope.js';

/** The partial indexes hold what is at least this slow, or failed. The same literal as in the migrations, or they cannot be used. */
export const INDEXED_LATENCY_US = 20_000;

/**
 * SQL conditions with their parameters, begun with what every kind of record is filtered by. Times and filters are parameters. The predicate
 * of the partial indexes is added as literals where a filter implies it: the planner has to prove it without knowing parameters.
 */
export class RecordConditions {
  readonly parameters: unknown[] = [];
  private readonly terms: string[] = [];
  private indexed = false;

  constructor({ filter, agentIds, since, until }: RecordScope<LatencyFilter>) {
    this.add(`observed_at >= ${this.place(since)}::timestamptz`);
    this.add(`observed_at < ${this.place(until)}::timestamptz`);
    if (agentIds) this.add(`agent_id = ANY (${this.place(agentIds)}::uuid[])`);
    if (filter.sessionId) this.add(`${this.place(filter.sessionId)}::uuid = ANY (session_ids)`);
    if (filter.processName) this.add(`process_name = ${this.place(filter.processName)}`);
  }

  /** Whether every row that can match is in the partial indexes. */
  get areIndexed(): boolean {
    return this.indexed;
  }

  get sql(): string {
    return this.terms.join(' AND ');
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

  /** A term that is part of the predicate of the partial indexes. */
  addIndexed(term: string): this {
    this.indexed = true;
    return this.add(term);
  }

  /** At least this slow; nothing is added for undefined. */
  addMinLatency(column: string, milliseconds: number | undefined): this {
    if (milliseconds === undefined) return this;
    const microseconds = millisecondsToMicroseconds(milliseconds);
    this.add(`${column} >= ${this.place(microseconds)}`);
    return microseconds >= INDEXED_LATENCY_US ? this.addIndexed(`${column} >= ${INDEXED_LATENCY_US}`) : this;
  }

  /** One of these numbers. */
  addNumbers(column: string, type: 'smallint' | 'integer', numbers: readonly number[] | undefined): this {
    return numbers ? this.add(`${column} = ANY (${this.place(numbers)}::${type}[])`) : this;
  }

  /** One of these names of what is numbered from 1, as in the agent protocol. */
  addNames<T>(column: string, all: readonly T[], names: readonly T[] | undefined): this {
    return this.addNumbers(
      column,
      'smallint',
      names?.map((name) => all.indexOf(name) + 1),
    );
  }

  /** An address, or a prefix that contains it. */
  addAddress(column: string, address: string | undefined): this {
    if (address === undefined) return this;
    return this.add(`${column} ${address.includes('/') ? '<<=' : '='} ${this.place(address)}::inet`);
  }
}
