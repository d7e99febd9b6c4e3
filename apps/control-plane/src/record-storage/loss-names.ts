import { LossCause, Probe } from '@synscope/protocol';

/** RING_FULL → ring_full. */
export function lossCauseName(cause: number): string {
  return LossCause[cause]?.toLowerCase() ?? `unknown_${cause}`;
}

/** Whose records were lost; null where nobody knows. */
export function lossProbeName(probe: number | null): string | null {
  return probe === null ? null : (Probe[probe]?.toLowerCase() ?? `unknown_${probe}`);
}
