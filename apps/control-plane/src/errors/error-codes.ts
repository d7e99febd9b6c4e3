/**
 * Every code that an answer of the REST API may carry, with its HTTP status and its title. Codes are stable: programs depend on
 * them. A feature adds a line here and a function that makes the error in its own `<feature>.errors.ts`.
 */
export const ERROR_CODES = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  malformed_json: { status: 400, title: 'The request body is not valid JSON' },
  unauthenticated: { status: 401, title: 'A valid API token is needed' },
  forbidden: { status: 403, title: 'The token’s role does not allow this' },
  not_found: { status: 404, title: 'There is no such thing' },
  route_not_found: { status: 404, title: 'There is no such route' },
  method_not_allowed: { status: 405, title: 'The route does not take this method' },
  not_acceptable: { status: 406, title: 'None of the accepted formats is on offer' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  conflict: { status: 409, title: 'The request contradicts the present state' },
  idempotency_key_reused: { status: 409, title: 'The Idempotency-Key was used for another request' },
  idempotency_key_in_flight: { status: 409, title: 'A request with this Idempotency-Key is under way' },
  last_admin_token: { status: 409, title: 'The last admin token cannot be deleted' },
  finding_resolved: { status: 409, title: 'The finding is resolved' },
  schedule_name_taken: { status: 409, title: 'Another schedule has this name' },
  threshold_name_taken: { status: 409, title: 'Another threshold has this name' },
  webhook_name_taken: { status: 409, title: 'Another webhook has this name' },
  webhook_disabled: { status: 409, title: 'The webhook is disabled' },
  session_slots_taken: { status: 409, title: 'The agents run as many sessions as they can' },
  body_too_large: { status: 413, title: 'The request body is too large' },
  uri_too_long: { status: 414, title: 'The address is too long' },
  unsupported_media_type: { status: 415, title: 'The request body has an unsupported format' },
  rate_limited: { status: 429, title: 'Too many requests' },
  too_many_sessions: { status: 429, title: 'As many sessions are open as may be' },
  event_streams_taken: {
    status: 429,
    title: 'This control plane serves as many streams of live results as it may',
  },
  headers_too_large: { status: 431, title: 'The address and headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong inside' },
  query_timeout: { status: 503, title: 'The query took too long' },
  database_unavailable: { status: 503, title: 'The database cannot be reached' },
  shutting_down: { status: 503, title: 'The control plane is shutting down' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;
