import { BatchRefusedError } from './batch-refused.error.js';

/** Bounds on the times in a batch, microseconds since the Unix epoch. */
export interface TimeBounds {
  readonly earliestUs: number;
  readonly latestUs: number;
}

export function isWithin({ earliestUs, latestUs }: TimeBounds, microseconds: number): boolean {
  return microseconds >= earliestUs && microseconds <= latestUs;
}

export function checkRange(path: string, value: number, minimum: number, maximum: number): void {
  if (!(value >= minimum && value <= maximum)) {
    throw new BatchRefusedError('out_of_range', `${path} is ${value}, outside ${minimum}–${maximum}`);
  }
}

export function checkOneOf(path: string, value: number, allowed: ReadonlySet<number>): void {
  if (allowed.has(value)) return;
  throw new BatchRefusedError('out_of_range', `${path} is ${value}, not one of ${[...allowed].join(', ')}`);
}
