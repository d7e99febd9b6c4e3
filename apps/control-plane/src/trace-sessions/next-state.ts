import type { SessionState } from '@synscope/api-contract';

/** A session is ended this long after its time even if agents that run it have not said that they are done. Milliseconds. */
export const END_GRACE_MS = 5_000;

/** Where the targets of a session stand. */
export interface TargetTally {
  readonly matched: number;
  readonly done: number;
  readonly failed: number;
  /** Have begun at some time, whatever became of them. */
  readonly started: number;
  /** Online, and running it by their last word. */
  readonly runningOnline: number;
}

export interface OpenSession {
  readonly state: Extract<SessionState, 'pending' | 'running'>;
  /** How long its time has been over by the database's clock, in milliseconds; negative before that. */
  readonly overdueMs: number;
}

/**
 * What becomes of an open session:
 * - every matched agent has ended: `failed` if all of them failed, else `completed`;
 * - its time is over, and nobody who could say so is still running it (or the grace is over too): `failed` if nobody ever began and
 *   somebody failed, else `completed`;
 * - somebody has begun: `running`;
 * - otherwise it stays `pending`, also when nobody is matched: an agent may join yet.
 */
export function nextState(session: OpenSession, tally: TargetTally): SessionState {
  if (tally.matched > 0 && tally.done + tally.failed === tally.matched) {
    return tally.failed === tally.matched ? 'failed' : 'completed';
  }
  if (session.overdueMs >= 0 && (tally.runningOnline === 0 || session.overdueMs >= END_GRACE_MS)) {
    return tally.started === 0 && tally.failed > 0 ? 'failed' : 'completed';
  }
  return tally.started > 0 ? 'running' : session.state;
}

export function hasEnded(state: SessionState): boolean {
  return state !== 'pending' && state !== 'running';
}
