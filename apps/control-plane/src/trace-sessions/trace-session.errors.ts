import { ApiError, invalidField } from '../errors/api-error.js';

/** As many as one agent runs at a time: the bits of the mask that a record carries in the kernel. */
export const SESSION_SLOTS = 64;

export function invalidSelector(message: string): ApiError {
  return invalidField('selector', message);
}

export function tooManySessions(limit: number): ApiError {
  return new ApiError(
    'too_many_sessions',
    `${limit} sessions are open, as many as SYNSCOPE_MAX_OPEN_SESSIONS allows. Stop one that is no longer needed (GET /api/v1/trace-sessions?state=pending,running), give sessions a shorter durationSeconds, or raise the limit`,
  );
}

export function slotsTaken(hostnames: readonly string[], agents: number): ApiError {
  const more = agents > hostnames.length ? ` and ${agents - hostnames.length} more` : '';
  return new ApiError(
    'session_slots_taken',
    `An agent runs at most ${SESSION_SLOTS} sessions at a time, and ${hostnames.join(', ')}${more} ${agents === 1 ? 'has' : 'have'} no slot left. ` +
      'Stop a session that is no longer needed, or narrow the selector',
  );
}
