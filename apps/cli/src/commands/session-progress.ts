import { setTimeout as delay } from 'node:timers/promises';
import { type ApiClient, answerOf } from '../api/api-client.js';
import type { CommandRun } from '../command-run.js';
import type { components } from '../gen/openapi.js';

type TraceSession = components['schemas']['TraceSession'];

/** As long as the control plane itself would wait at most, milliseconds. */
const LONGEST_WAIT_MS = 60_000;
/** Between two looks, milliseconds: short beside the second within which agents answer as a rule. */
const INTERVAL_MS = 250;

/** Waits until no online agent is still to answer, and shows how many have. The session as it was then. */
export async function awaitTargets(
  run: CommandRun,
  api: ApiClient,
  created: TraceSession,
): Promise<TraceSession> {
  const { errors, interrupted } = run.surroundings;
  const deadline = Date.now() + LONGEST_WAIT_MS;
  let session = created;
  let shown = '';
  for (;;) {
    const text = progressText(session);
    if (text !== shown) {
      // In a terminal one line that is written again (EL, ECMA-48 §8.3.41), elsewhere a line per change.
      await errors.write(errors.isTerminal ? `\r\u001b[K${text}` : `${text}\n`);
      shown = text;
    }
    if (!isAwaited(session) || Date.now() >= deadline) break;
    await delay(INTERVAL_MS, undefined, { signal: interrupted });
    session = await answerOf(
      api.operations.GET('/api/v1/trace-sessions/{id}', { params: { path: { id: created.id } } }),
    );
  }
  if (errors.isTerminal) await errors.write('\n');
  return session;
}

function isAwaited({ state, targets }: TraceSession): boolean {
  return (state === 'pending' || state === 'running') && targets.pending > 0;
}

function progressText({ targets }: TraceSession): string {
  const { matched, running, pending, failed, offline } = targets;
  const rest = [
    pending > 0 && `${pending} to answer`,
    failed > 0 && `${failed} failed`,
    offline > 0 && `${offline} offline`,
  ].filter((part) => part !== false);
  return `${running} of ${matched} agents run it${rest.map((part) => `, ${part}`).join('')}`;
}
