import { readFileSync } from 'node:fs';

/** @typedef {{ passed: number, failed: number, skipped: number }} Tally */

/** @param {readonly Tally[]} tallies @returns {Tally} */
export const sum = (tallies) =>
  tallies.reduce(
    (total, { passed, failed, skipped }) => ({
      passed: total.passed + passed,
      failed: total.failed + failed,
      skipped: total.skipped + skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  );

/** The line that ends a run; it is read by machines too. @param {Tally} tally */
export const tallyLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;

/** Characters of an error that are shown; what a process has printed may be in it, and its end tells most. */
const SHOWN_BEGIN = 600;
const SHOWN_END = 1_400;

/** @param {string} text */
const shortened = (text) =>
  text.length <= SHOWN_BEGIN + SHOWN_END
    ? text
    : `${text.slice(0, SHOWN_BEGIN)}\n[…]\n${text.slice(-SHOWN_END)}`;

/**
 * What failed according to vitest's JSON report, and why: a text for each test, and for each file whose tests could not begin.
 * @param {string} reportFile
 * @returns {readonly string[]}
 */
export function failuresOfVitest(reportFile) {
  /** @type {{ name: string, status: string, message?: string, assertionResults: { status: string, fullName: string, failureMessages?: string[] }[] }[]} */
  let files;
  try {
    files = JSON.parse(readFileSync(reportFile, 'utf8')).testResults;
  } catch {
    return [`${reportFile}: no report was written`];
  }
  return files.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed');
    if (failed.length === 0 && status === 'failed') return [`${name}\n${shortened(message ?? '')}`];
    return failed.map(
      (test) => `${name} > ${test.fullName}\n${shortened((test.failureMessages ?? []).join('\n'))}`,
    );
  });
}

/**
 * Counts out of the JSON report of vitest. A file that could not be loaded has no tests to count and is one failure;
 * so is a run that ended badly in another way.
 * @param {string} reportFile
 * @param {boolean} endedWell
 * @returns {Tally}
 */
export function tallyOfVitest(reportFile, endedWell) {
  /** @type {{ status: string, assertionResults: { status: string }[] }[]} */
  let files;
  try {
    files = JSON.parse(readFileSync(reportFile, 'utf8')).testResults;
  } catch {
    return { passed: 0, failed: endedWell ? 0 : 1, skipped: 0 };
  }
  const tests = files.flatMap((file) => file.assertionResults);
  const failed = tests.filter((test) => test.status === 'failed').length;
  const unloaded = files.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const passed = tests.filter((test) => test.status === 'passed').length;
  return {
    passed,
    failed: failed + unloaded === 0 && !endedWell ? 1 : failed + unloaded,
    skipped: tests.length - passed - failed,
  };
}
