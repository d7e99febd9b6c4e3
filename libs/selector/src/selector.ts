import type { Labels } from './labels.js';

/** One condition on one label. All requirements of a selector must hold. */
export type Requirement =
  /** The label exists and has one of the values. `=` and `==` are `in` with one value. */
  | { readonly operator: 'in'; readonly key: string; readonly values: readonly string[] }
  /** The label has none of the values, or does not exist. `!=` is `notin` with one value. */
  | { readonly operator: 'notin'; readonly key: string; readonly values: readonly string[] }
  | { readonly operator: 'exists'; readonly key: string }
  | { readonly operator: 'absent'; readonly key: string };

/** Requirements that are ANDed; none matches everything. */
export type Selector = readonly Requirement[];

/** Whether `labels` satisfy every requirement, with the meaning that Kubernetes gives them. */
export function matches(selector: Selector, labels: Labels): boolean {
  return selector.every((requirement) => holds(requirement, labels));
}

function holds(requirement: Requirement, labels: Labels): boolean {
  // Own properties only: a label named "constructor" must not be found on Object.prototype.
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  switch (requirement.operator) {
    case 'in':
      return value !== undefined && requirement.values.includes(value);
    case 'notin':
      return value === undefined || !requirement.values.includes(value);
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
  }
}

/** The text of a selector; `parseSelector` of it gives an equal selector. */
export function formatSelector(selector: Selector): string {
  return selector.map(formatRequirement).join(',');
}

function formatRequirement(requirement: Requirement): string {
  switch (requirement.operator) {
    case 'in':
      return requirement.values.length === 1
        ? `${requirement.key}=${requirement.values[0]}`
        : `${requirement.key} in (${requirement.values.join(',')})`;
    case 'notin':
      return requirement.values.length === 1
        ? `${requirement.key}!=${requirement.values[0]}`
        : `${requirement.key} notin (${requirement.values.join(',')})`;
    case 'exists':
      return requirement.key;
    case 'absent':
      return `!${requirement.key}`;
  }
}
