import { type TraceSessionSpec, traceSessionSpecSchema } from '@synscope/api-contract';

/** The spec in a row of trace_session. One of an older version lacks the fields that came later; they get their defaults, as if left out. */
export function readStoredSpec(json: unknown): TraceSessionSpec {
  return traceSessionSpecSchema.parse(json);
}
