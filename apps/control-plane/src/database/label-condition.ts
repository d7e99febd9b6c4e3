import type { Requirement, Selector } from '@synscope/selector';

export interface SqlCondition {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/**
 * A label selector as a condition on a jsonb column of labels, with the same meaning as `matches` of @synscope/selector. Parameters are
 * numbered from `firstParameter`. `column` is SQL of ours, never a value from outside.
 */
export function labelCondition(selector: Selector, column: string, firstParameter: number): SqlCondition {
  const parameters: unknown[] = [];
  const place = (value: unknown): string => `$${firstParameter - 1 + parameters.push(value)}`;
  const terms = selector.map((requirement) => requirementCondition(requirement, column, place));
  return { sql: terms.length === 0 ? 'TRUE' : terms.join(' AND '), parameters };
}

function requirementCondition(
  requirement: Requirement,
  column: string,
  place: (value: unknown) => string,
): string {
  const key = place(requirement.key);
  switch (requirement.operator) {
    case 'exists':
      return `${column} ? ${key}`;
    case 'absent':
      return `NOT ${column} ? ${key}`;
    case 'in':
      return `coalesce(${column} ->> ${key} = ANY(${place(requirement.values)}::text[]), FALSE)`;
    case 'notin':
      return `coalesce(${column} ->> ${key} <> ALL(${place(requirement.values)}::text[]), TRUE)`;
  }
}
