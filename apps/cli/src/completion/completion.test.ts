import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { capturedRun } from '../testing/captured-run.js';

/** What bash offers where the last of the words is being typed. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const { output: script } = await capturedRun(['completion', 'bash']);
  const ask = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _synscope; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync(
    'bash',
    ['--norc', '-c', `${script}\n${ask}`, 'bash', 'synscope', ...words],
    {
      encoding: 'utf8',
    },
  );
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split('\n').filter((word) => word !== '');
}

describe('completion', () => {
  it.each([
    [['tr'], ['trace']],
    [
      ['trace', 'st'],
      ['start', 'stop'],
    ],
    [['trace', 'start', '--wa'], ['--wait']],
    [
      ['dns', '--query-name'],
      ['--query-name', '--query-name-suffix'],
    ],
    [['token', 'join', 'c'], ['create']],
    [['slow', '--since', '1h', '--remote-p'], ['--remote-port']],
  ])('in bash offers after %j: %j', async (words, expected) => {
    expect(await offered(...words)).toEqual(expected);
  });

  it.each(['zsh', 'fish'])('names each command and its flags for %s', async (shell) => {
    const { status, output } = await capturedRun(['completion', shell]);
    expect(status).toBe(0);
    for (const word of ['trace start', 'schedule trigger', 'idempotency-key', 'fail-if-any']) {
      expect(output).toContain(word);
    }
  });
});
