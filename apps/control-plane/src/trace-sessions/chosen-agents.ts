import { labelCondition, type SqlCondition } from '../database/label-condition.js';
import type { CheckedSpec } from './session-spec.js';

/**
 * A query for the ids of the agents that a session is meant for: all that match, or of these so many. Which ones is decided by a hash of the agent's id
 * and the selector, so that a dry run, the session after it and the next one with this selector choose the same. Parameters are numbered from
 * `firstParameter`.
 */
export function chosenAgents({ selector, spec }: CheckedSpec, firstParameter: number): SqlCondition {
  const condition = labelCondition(selector, 'labels', firstParameter);
  const matching = `FROM agent WHERE revoked_at IS NULL AND ${condition.sql}`;
  const { targets } = spec;
  if (targets === null) return { sql: `SELECT id ${matching}`, parameters: condition.parameters };
  const next = firstParameter + condition.parameters.length;
  const limit =
    'count' in targets
      ? `$${next}::bigint`
      : `(SELECT ceil(count(*) * $${next}::numeric / 100)::bigint ${matching})`;
  return {
    sql: `SELECT id ${matching} ORDER BY md5(id::text || $${next + 1}::text), id LIMIT ${limit}`,
    parameters: [
      ...condition.parameters,
      'count' in targets ? targets.count : targets.percent,
      spec.selector,
    ],
  };
}
