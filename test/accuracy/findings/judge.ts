import type { Finding } from '../../stack/answers.js';
import type { ExpectedCodes } from './cases.js';

export const codesOf = (findings: readonly Finding[]): readonly string[] =>
  [...new Set(findings.map(({ code }) => code))].sort();

const allOf = (codes: readonly string[], found: readonly string[]) =>
  codes.every((code) => found.includes(code));

/** Whether what there must be is there; other findings may be, too. */
export function isComplete({ codes, orElse }: ExpectedCodes, found: readonly string[]): boolean {
  return allOf(codes, found) || (orElse !== undefined && allOf(orElse, found));
}

/** What is missing and what is false, in sentences; none if all is well. */
export function problemsOf(expected: ExpectedCodes, findings: readonly Finding[]): readonly string[] {
  const found = codesOf(findings);
  const { codes, beside = [], orElse } = expected;
  const required = orElse && allOf(orElse, found) && !allOf(codes, found) ? orElse : codes;
  const missing = required.filter((code) => !found.includes(code));
  const unexpected = findings.filter(({ code }) => !required.includes(code) && !beside.includes(code));
  return [
    ...missing.map((code) => `${code} was not found`),
    ...unexpected.map(
      ({ code, title, evidence }) =>
        `${code} is false: ${title} (${evidence.map(({ observation, value }) => `${observation}: ${value}`).join('; ')})`,
    ),
  ];
}
