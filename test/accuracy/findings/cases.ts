import { dnsCases } from './dns-cases.js';
import type { Ends } from './ends.js';
import { handshakeCases } from './handshake-cases.js';
import { healthyCase } from './healthy-case.js';
import { queueCases } from './queue-cases.js';
import type { Scene } from './scene.js';

export interface ExpectedCodes {
  /** Each of them, and none else … */
  readonly codes: readonly string[];
  /** … but perhaps these, which are as true. */
  readonly beside?: readonly string[];
  /** Instead of `codes`: what may be found if it can be proven. */
  readonly orElse?: readonly string[];
}

/** A fault that is brought about for real in a lab of its own. */
export interface FaultCase {
  readonly name: string;
  readonly expected: Readonly<Record<Ends, ExpectedCodes>>;
  /** Resolves when the traffic is over and the witness was asked. */
  readonly run: (scene: Scene) => Promise<void>;
}

/**
 * Queries without an answer are given up after 30 s, so they are not among the last; nor the first, for what an agent saw is only complete once its
 * session runs for longer than a resolver of libc waits before it asks again.
 */
export const faultCases: readonly FaultCase[] = [...queueCases, ...dnsCases, ...handshakeCases, healthyCase];
