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
