import { ApiError, invalidField } from '../errors/api-error.js';

const RETRY_AFTER_SECONDS = '5';

export function notAnEventId(path: 'Last-Event-ID' | 'lastEventId'): ApiError {
  return invalidField(
    path,
    'is not the id of an event of such a stream; send back the `id:` of an event unchanged, or leave it out to begin anew',
  );
}

export function eventOfAnotherSession(path: 'Last-Event-ID' | 'lastEventId'): ApiError {
  return invalidField(
    path,
    'is the id of an event of another session; resume at that session, or leave it out to begin anew',
  );
}

export function eventOfAnotherDatabase(path: 'Last-Event-ID' | 'lastEventId'): ApiError {
  return invalidField(
    path,
    'is the id of an event that this database has not seen; leave it out to begin anew',
  );
}

export function eventStreamsTaken(most: number): ApiError {
  return new ApiError(
    'event_streams_taken',
    `This replica serves ${most} streams of live results already. End one that is no longer needed, ask another replica, or raise SYNSCOPE_EVENT_STREAMS`,
    { headers: { 'retry-after': RETRY_AFTER_SECONDS } },
  );
}

export function shuttingDown(): ApiError {
  return new ApiError('shutting_down', 'This replica is shutting down; connect again', {
    headers: { 'retry-after': RETRY_AFTER_SECONDS },
  });
}
