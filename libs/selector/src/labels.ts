/** A set of labels; keys and values follow the rules of Kubernetes (see `labelKeyProblem` and `labelValueProblem`). */
export type Labels = Readonly<Record<string, string>>;

const MAX_NAME_LENGTH = 63;
const MAX_PREFIX_LENGTH = 253;

const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** Keys below it are the control plane's to give. */
const RESERVED_LABEL_PREFIX = 'synscope.io/';

/**
 * Why `key` is not a label key, or null if it is one: an optional DNS subdomain (253 characters at most) and `/`, then a name of 1–63
 * letters, digits, `-`, `_` and `.` that begins and ends with a letter or digit.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
 */
export function labelKeyProblem(key: string): string | null {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  if (slash >= 0) {
    const prefix = key.slice(0, slash);
    if (prefix.length === 0 || prefix.length > MAX_PREFIX_LENGTH) {
      return `the prefix before "/" must have 1–${MAX_PREFIX_LENGTH} characters`;
    }
    if (!prefix.split('.').every((part) => DNS_LABEL.test(part))) {
      return 'the prefix before "/" must be a DNS name in lower case, such as example.com';
    }
  }
  if (name.length === 0 || name.length > MAX_NAME_LENGTH) {
    return `a label key must have 1–${MAX_NAME_LENGTH} characters${slash >= 0 ? ' after "/"' : ''}`;
  }
  return NAME.test(name)
    ? null
    : 'a label key has letters, digits, "-", "_" and ".", and begins and ends with a letter or digit';
}

/** Why `value` is not a label value, or null if it is one: empty, or 1–63 characters as in the name part of a key. */
export function labelValueProblem(value: string): string | null {
  if (value.length > MAX_NAME_LENGTH) return `a label value must have at most ${MAX_NAME_LENGTH} characters`;
  return value === '' || NAME.test(value)
    ? null
    : 'a label value has letters, digits, "-", "_" and ".", and begins and ends with a letter or digit';
}

/** Why nobody but the control plane may set a label with this key, or null. */
function reservedLabelProblem(key: string): string | null {
  return key.startsWith(RESERVED_LABEL_PREFIX)
    ? `labels below ${RESERVED_LABEL_PREFIX} are reserved for the control plane: choose another key`
    : null;
}

export interface LabelProblem {
  readonly key: string;
  readonly message: string;
}

/** Everything that is wrong with a set of labels; empty if all is well. */
export function labelProblems(labels: Labels): readonly LabelProblem[] {
  return Object.entries(labels).flatMap(([key, value]) => {
    const message = labelKeyProblem(key) ?? reservedLabelProblem(key) ?? labelValueProblem(value);
    return message === null ? [] : [{ key, message }];
  });
}
