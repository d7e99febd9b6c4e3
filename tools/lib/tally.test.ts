import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { failuresOfVitest, sum, tallyLine, tallyOfVitest } from './tally.mjs';

const directory = mkdtempSync(join(tmpdir(), 'synscope-tally-'));
afterAll(() => rmSync(directory, { recursive: true }));

function report(testResults: unknown[]): string {
  const file = join(directory, 'report.json');
  writeFileSync(file, JSON.stringify({ testResults }));
  return file;
}

const passed = { status: 'passed' };
const failed = { status: 'failed' };
const skipped = { status: 'skipped' };

it('counts the tests of all files', () => {
  const file = report([
    { status: 'failed', assertionResults: [passed, passed, failed] },
    { status: 'passed', assertionResults: [passed, skipped, { status: 'todo' }] },
  ]);
  expect(tallyOfVitest(file, false)).toEqual({ passed: 3, failed: 1, skipped: 2 });
});

it('counts a file that could not be loaded as a failure', () => {
  const file = report([{ status: 'failed', assertionResults: [] }]);
  expect(tallyOfVitest(file, false)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

it('counts a run that ended badly without a failed test as a failure', () => {
  const file = report([{ status: 'passed', assertionResults: [passed] }]);
  expect(tallyOfVitest(file, false)).toEqual({ passed: 1, failed: 1, skipped: 0 });
  expect(tallyOfVitest(join(directory, 'none.json'), false)).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

it('ends with the line that CI reads', () => {
  const total = sum([
    { passed: 40, failed: 0, skipped: 1 },
    { passed: 2, failed: 0, skipped: 0 },
  ]);
  expect(tallyLine(total)).toBe('42 passed, 0 failed, 1 skipped');
});

it('names what failed, and why, also a file whose tests could not begin', () => {
  const file = report([
    { name: 'a.test.ts', status: 'failed', message: 'no stack', assertionResults: [skipped] },
    {
      name: 'b.test.ts',
      status: 'failed',
      assertionResults: [passed, { status: 'failed', fullName: 'counts', failureMessages: ['expected 1'] }],
    },
    { name: 'c.test.ts', status: 'passed', assertionResults: [passed] },
  ]);
  expect(failuresOfVitest(file)).toEqual(['a.test.ts\nno stack', 'b.test.ts > counts\nexpected 1']);
});

it('shows the begin and the end of a long error', () => {
  const failureMessages = [`begin${'.'.repeat(5_000)}end`];
  const file = report([
    {
      name: 'a.test.ts',
      status: 'failed',
      assertionResults: [{ ...failed, fullName: 'x', failureMessages }],
    },
  ]);
  const [text] = failuresOfVitest(file);
  expect(text).toMatch(/begin.*\[…\].*end$/s);
  expect(text?.length).toBeLessThan(2_100);
});
