import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { CommandRun } from './command-run.js';
import { completionNodes } from './completion/command-tree.js';
import { createProgram } from './program.js';
import { capturedRun } from './testing/captured-run.js';
import { CLI_VERSION } from './version.js';

const silent = { write: async () => undefined, isTerminal: false, hasColors: false, columns: undefined };
const program: Command = createProgram(
  new CommandRun({
    argv: [],
    environment: { HOME: '/nonexistent' },
    output: silent,
    errors: silent,
    interrupted: new AbortController().signal,
  }),
);
const commands = completionNodes(program)
  .map(({ path }) => path)
  .filter((path) => path !== '');

describe('synscope', () => {
  it.each(['', ...commands])('%s --help says what it does, with an example', async (path) => {
    const { status, output } = await capturedRun([...path.split(' ').filter(Boolean), '--help']);
    expect(status).toBe(0);
    expect(output).toMatch(new RegExp(`Usage: synscope ${path}`.trim()));
    expect(output).toMatch(/Examples?:\n {2}/);
  });

  it.each([
    [['--bogus'], /unknown option '--bogus'/],
    [['bogus'], /unknown command 'bogus'/],
    [['slow', '--bogus'], /unknown option '--bogus'/],
    [['slow', 'extra'], /too many arguments/],
    [['slow', '-o', 'xml'], /Allowed choices are table, json, ndjson, csv/],
    [['trace'], /Usage: synscope trace/],
    [['trace', 'stop'], /missing required argument 'id'/],
    [['token', 'api', 'create', '--name', 'x'], /required option '--role <role>' not specified/],
    [['agents'], /there is no API token/],
    [['completion', 'tcsh'], /Allowed choices are bash, zsh, fish/],
  ])('%j is bad usage: status 2, and nothing on standard output', async (argv, problem) => {
    const { status, output, errors } = await capturedRun(argv);
    expect([status, output]).toEqual([2, '']);
    expect(errors).toMatch(problem);
  });

  it('fails with a sentence if nobody answers', async () => {
    const { status, errors } = await capturedRun(['agents', '--url', 'http://127.0.0.1:1'], {
      SYNSCOPE_TOKEN: 't',
    });
    expect(status).toBe(1);
    expect(errors).toMatch(
      /^synscope: the control plane at http:\/\/127\.0\.0\.1:1 cannot be reached: .*SYNSCOPE_URL/,
    );
  });

  it('fails with a sentence if something else answers, and does not pass on its escape codes', async () => {
    const server = createServer((request, response) => {
      const isProblem = request.url?.includes('agents');
      response.writeHead(isProblem ? 404 : 500, { 'content-type': 'text/plain' });
      response.end(isProblem ? JSON.stringify({ detail: 'gone\u001b[2J' }) : '<html>');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const environment = { SYNSCOPE_TOKEN: 't', SYNSCOPE_URL: `http://127.0.0.1:${port}` };
    const strange = await capturedRun(['slow'], environment);
    expect([strange.status, strange.errors]).toEqual([
      1,
      expect.stringContaining('is it a Synscope control plane?'),
    ]);
    const hostile = await capturedRun(['agents'], environment);
    expect([hostile.status, hostile.errors]).toEqual([1, 'synscope: gone\\x1b[2J\n']);
    server.close();
  });

  it('has the version of the package', async () => {
    const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    expect(manifest).toMatchObject({ version: CLI_VERSION });
    expect((await capturedRun(['--version'])).output).toBe(`${CLI_VERSION}\n`);
  });
});
