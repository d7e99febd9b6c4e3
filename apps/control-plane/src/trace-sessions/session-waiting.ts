import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { TraceSession } from '@synscope/api-contract';
import { WakeUp } from '../lifecycle/wake-up.js';
import { hasEnded } from './next-state.js';
import { SessionProgress } from './session-progress.js';

/** Another replica may have taken the status that is waited for; this is how late that is noticed. Milliseconds. */
const POLL_INTERVAL_MS = 1_000;

/** Whether every agent that is online runs the session, or has failed or ended, and the session's state says so too. */
export function everyOnlineTargetBegan({ state, targets }: TraceSession): boolean {
  if (hasEnded(state)) return true;
  const { matched, pending, running, done, failed } = targets;
  const aboutToEnd = matched > 0 && done + failed === matched;
  return pending === 0 && !aboutToEnd && (running === 0 || state === 'running');
}

/** Whether the session has ended, on every agent that is online too, so that its records have arrived. */
export function endedEverywhere({ state, targets }: TraceSession): boolean {
  return hasEnded(state) && targets.running === 0 && targets.pending === 0;
}

/** `?wait=`: answers when something is so, or when the time for it is over. */
@Injectable()
export class SessionWaiting implements BeforeApplicationShutdown {
  private readonly shutdown = new AbortController();

  constructor(private readonly progress: SessionProgress) {}

  beforeApplicationShutdown(): void {
    this.shutdown.abort();
  }

  /** The session as it was read last: when `until` holds, after `seconds`, or when the control plane shuts down. */
  async until(
    read: () => Promise<TraceSession>,
    until: (session: TraceSession) => boolean,
    seconds: number,
  ): Promise<TraceSession> {
    let session = await read();
    if (until(session) || seconds === 0) return session;
    const deadline = Date.now() + seconds * 1_000;
    const wake = new WakeUp();
    const unsubscribe = this.progress.onLook(session.id, () => wake.up());
    const onShutdown = () => wake.up();
    this.shutdown.signal.addEventListener('abort', onShutdown);
    try {
      // A change between the first reading and the subscription would be missed.
      wake.up();
      for (;;) {
        const remainingMs = deadline - Date.now();
        if (remainingMs <= 0 || this.shutdown.signal.aborted) return session;
        await wake.wait(Math.min(remainingMs, POLL_INTERVAL_MS));
        session = await read();
        if (until(session)) return session;
      }
    } finally {
      unsubscribe();
      this.shutdown.signal.removeEventListener('abort', onShutdown);
    }
  }
}
