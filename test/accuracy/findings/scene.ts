import type { Family, Lab } from '../../lab/lab.js';
import type { Ends } from './ends.js';

/** Where the traffic of one case is. */
export interface Scene {
  readonly lab: Lab;
  readonly family: Family;
  readonly ends: Ends;
  readonly names: { readonly client: string; readonly server: string };
  /** Of its resolvers; see clientOnlyDnsPort. */
  readonly dnsPort: number;
  /** Of all names that are asked for; nobody else's end so. */
  readonly suffix: string;
  readonly witness: Witness;
}

/** What others than Synscope say of a fault, and whether that is what it should be. */
export class Witness {
  /** When the first connection or query began that the fault hit, CLOCK_MONOTONIC in microseconds. */
  beganUs: number | undefined;
  /** Queries that the client had no answer to, and of these those that reached the resolver's host. Both are only known after 30 s. */
  unanswered = { client: 0, resolver: 0 };
  readonly observations: string[] = [];
  /** Empty if the fault was there as it should be. */
  readonly problems: string[] = [];

  began(startsUs: readonly number[]): void {
    this.beganUs = Math.min(...startsUs);
  }

  /** `what` names the witness, too. */
  expect(what: string, value: number, holds: (value: number) => boolean): void {
    this.observations.push(`${what}: ${value}`);
    if (!holds(value))
      this.problems.push(`${what} is ${value}: that is not the fault that the case is about`);
  }
}

export const atLeast = (least: number) => (value: number) => value >= least;
export const exactly = (expected: number) => (value: number) => value === expected;
