import type { ProbeName, RecordCounts } from '@synscope/api-contract';
import { PROBE_NUMBERS } from './probes.js';

/** An expression for the records handed over, summed over the targets that meet `condition`: a JSON object by probe number, null if there are none. */
export function recordCountsSql(condition: string): string {
  return `(SELECT jsonb_object_agg(probe, records)
             FROM (SELECT probe, sum(record_count + earlier_record_count) AS records
                     FROM session_target_records WHERE ${condition} GROUP BY probe) AS by_probe)`;
}

/** The counts of the session's probes. */
export function toRecordCounts(
  records: Readonly<Record<string, number>> | null,
  probes: readonly ProbeName[],
): RecordCounts {
  return Object.fromEntries(probes.map((probe) => [probe, records?.[PROBE_NUMBERS[probe]] ?? 0]));
}
